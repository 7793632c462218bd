import { hash } from 'node:crypto';
import { applyDecorators, Header } from '@nestjs/common';

const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #fff; --ink: #1b1f27; --quiet: #626b7a; --line: #dfe3ea; --accent: #2856d8;
  --good: #1a7f4b; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root { --page: #14161b; --card: #1d2027; --ink: #e8eaf0; --quiet: #98a1b2; --line: #2e333d; --accent: #8fadff; --good: #6fd3a0; --bad: #ff9b92; }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
header, main { max-width: 46rem; margin-inline: auto; padding: 0 1.25rem; }
header { display: flex; align-items: center; gap: 1rem; min-height: 2.25rem; margin-top: 2rem; }
h1 { margin: 0; font-size: 1.25rem; }
#state { flex: 1; color: var(--quiet); font-size: .875rem; }
button {
  padding: .35rem .8rem; border: 1px solid var(--line); border-radius: .5rem;
  background: var(--card); color: inherit; font: inherit; font-size: .875rem; cursor: pointer;
}
button:hover { border-color: var(--accent); }
button[aria-pressed='true'] { border-color: var(--accent); background: var(--accent); color: var(--card); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
code { font-family: ui-monospace, Consolas, 'DejaVu Sans Mono', monospace; user-select: all; }
ol { margin: 1.25rem 0 3rem; padding: 0; list-style: none; }
li, #empty {
  margin: 0 0 .75rem; padding: 1rem 1.25rem;
  border: 1px solid var(--line); border-radius: .75rem; background: var(--card);
}
.about { display: flex; flex-wrap: wrap; gap: .25rem .9rem; color: var(--quiet); font-size: .875rem; }
.about b { color: var(--ink); font-weight: 600; }
.about time { margin-left: auto; font-variant-numeric: tabular-nums; }
.channel { text-transform: uppercase; letter-spacing: .04em; }
.secret { display: flex; align-items: center; gap: 1rem; margin: .35rem 0; }
.secret code { color: var(--accent); font-size: 2rem; font-weight: 600; letter-spacing: .12em; line-height: 1.3; }
.body { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
fieldset { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem; min-width: 0; margin: 1rem 0 0; padding: 0; border: 0; font-size: .875rem; }
legend { float: left; padding: 0 .25rem 0 0; }
@media (max-width: 30rem) { legend { flex-basis: 100%; } }
#meaning { flex-basis: 100%; min-height: 1.5em; margin: 0; color: var(--quiet); }
.steps { display: flex; flex-wrap: wrap; align-items: center; gap: .6rem .75rem; margin: .75rem 0 0; font-size: .8125rem; }
.history { display: flex; flex-wrap: wrap; gap: .35rem; flex: 1 1 16rem; margin: 0; padding: 0; list-style: none; }
.history li {
  margin: 0; padding: .1rem .55rem; border-radius: 1rem; background: var(--page); color: var(--quiet);
  font-variant-numeric: tabular-nums;
}
.history li.delivered { color: var(--good); border-color: var(--good); }
.history li.undelivered, .history li.failed { color: var(--bad); border-color: var(--bad); }
.play { display: flex; gap: .5rem; }
#empty { margin-top: 1.25rem; padding: clamp(1.25rem, 5vw, 2rem); }
#empty h2 { margin: 0 0 .5rem; font-size: 1.05rem; }
#empty p { margin: 0 0 .75rem; color: var(--quiet); }
#empty pre { margin: 0; padding: .9rem 1rem; border-radius: .5rem; background: var(--page); font-size: .85rem; white-space: pre-wrap; overflow-wrap: anywhere; }
`;

const SCRIPT = `
// A proxy may serve this page under a prefix.
const ROOT = location.pathname.replace('/dev/inbox', '');
const MESSAGES = ROOT + '/dev/inbox/messages';
const PLAN = ROOT + '/dev/inbox/plan';
// Final delivery states.
const LAST = ['delivered', 'undelivered', 'failed'];
const find = (id) => document.getElementById(id);
const rows = new Map();

find('example').textContent =
  'curl ' + location.origin + ROOT + '/v1/verifications \\\\\\n' +
  "  -H 'Content-Type: application/json' \\\\\\n" +
  "  -d '{ \\"phone_number\\": \\"+14155550123\\" }'";
find('clear').addEventListener('click', async () => {
  await ask(MESSAGES, { method: 'DELETE' }).then(() => show([]), fail);
});
for (const button of find('plan').querySelectorAll('button')) {
  button.addEventListener('click', () => {
    const body = JSON.stringify({ outcome: button.value });
    ask(PLAN, { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body }).then(read).then(showPlan, fail);
  });
}
watch();

async function watch() {
  for (;;) {
    if (!document.hidden) await Promise.all([look(MESSAGES, show), look(PLAN, showPlan)]).catch(fail);
    await new Promise((resolve) => {
      const timer = setTimeout(done, 1000);
      document.addEventListener('visibilitychange', done);
      function done() {
        clearTimeout(timer);
        document.removeEventListener('visibilitychange', done);
        resolve();
      }
    });
  }
}

async function look(path, show) {
  show(await read(await ask(path)));
}

function read(response) {
  return response.json();
}

async function ask(path, options) {
  const response = await fetch(path, { ...options, signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Error(String(response.status));
  return response;
}

function fail() {
  write('state', 'The server does not answer. Still trying…');
}

// Writes only changed text: rewriting clears the selection, and screen readers may announce it again.
function write(id, text) {
  if (find(id).textContent !== text) find(id).textContent = text;
}

function show(messages) {
  const shown = new Set(messages.map(({ id }) => id));
  for (const [id, row] of rows) {
    if (shown.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  // Existing rows update only their history, so that a text selection in them survives.
  for (const message of [...messages].reverse()) {
    const row = rows.get(message.id) ?? rowOf(message);
    if (!rows.has(message.id)) find('messages').prepend(row);
    rows.set(message.id, row);
    showHistory(row, message.history);
  }
  const { length } = messages;
  write('state', length === 0 ? '' : length === 1 ? '1 message' : length + ' messages');
  find('empty').hidden = length > 0;
  find('clear').hidden = length === 0;
}

function showPlan({ outcome }) {
  for (const button of find('plan').querySelectorAll('button')) {
    const isChosen = button.value === outcome;
    button.setAttribute('aria-pressed', String(isChosen));
    if (isChosen) write('meaning', button.title);
  }
}

function showHistory(row, history) {
  const list = row.querySelector('.history');
  for (const { status, reason, at } of history.slice(list.children.length)) {
    const step = document.createElement('li');
    step.className = status;
    step.textContent = status + (reason ? ': ' + reason : '') + later(history[0].at, at);
    step.title = new Date(at).toLocaleTimeString();
    list.append(step);
  }
  const has = (test) => history.some(({ status }) => test(status));
  row.querySelector('.play').hidden = 'reported' in row.dataset || has((status) => LAST.includes(status));
  // A replaced message can still be reported as delivered.
  row.querySelector('.fail').hidden = has((status) => status.startsWith('replaced'));
}

function later(from, to) {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  return seconds < 0.1 ? '' : ' after ' + seconds.toFixed(1) + ' s';
}

function rowOf({ id, to, channel, locale, segments, body, code, created_at }) {
  const row = find('message').content.cloneNode(true).firstElementChild;
  const part = (name) => row.querySelector('.' + name);
  part('to').textContent = to;
  part('channel').textContent = channel;
  part('locale').textContent = locale;
  part('segments').textContent = segments === null ? '' : segments === 1 ? '1 segment' : segments + ' segments';
  part('body').textContent = body;
  part('body').lang = locale;
  part('body').dir = 'auto';
  part('code').textContent = code;
  part('secret').hidden = code === null;
  part('time').textContent = new Date(created_at).toLocaleTimeString();
  part('time').title = part('time').dateTime = created_at;
  part('copy').addEventListener('click', () => copy(part('code'), part('copy')));
  for (const outcome of ['deliver', 'fail']) {
    part(outcome).addEventListener('click', () => {
      // A provider reports an outcome once. A repeated one adds no step, so the buttons must hide without one.
      row.dataset.reported = outcome;
      ask(MESSAGES + '/' + id + '/' + outcome, { method: 'POST' }).then(() => look(MESSAGES, show)).catch(() => {
        delete row.dataset.reported;
        fail();
      });
    });
  }
  return row;
}

async function copy(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = 'Copied';
  } catch {
    // Without TLS, browsers allow the clipboard on localhost only.
    getSelection().selectAllChildren(code);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
}
`;

/** Data from outside is inserted as `textContent` only. The Content Security Policy below allows nothing but this script and style. */
export const INBOX_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Inbox · Latchkey</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header>
  <h1>Inbox</h1>
  <span id="state" role="status"></span>
  <button type="button" id="clear" hidden>Clear</button>
</header>
<main>
  <fieldset id="plan">
    <legend>Future messages</legend>
    <button type="button" value="deliver" aria-pressed="false" title="They are delivered at once.">deliver</button>
    <button type="button" value="fail" aria-pressed="false" title="They are not delivered: the phone is off. If FALLBACK is set, the code is sent again on another channel.">fail</button>
    <button type="button" value="delay" aria-pressed="false" title="No delivery report arrives until you press Deliver or Fail. If FALLBACK is set, the code is sent again on another channel after its wait.">delay</button>
    <p id="meaning" role="status"></p>
  </fieldset>
  <section id="empty" hidden>
    <h2>No messages yet</h2>
    <p>During development messages are shown here instead of being sent. Request a code, for example with</p>
    <pre><code id="example"></code></pre>
  </section>
  <ol id="messages" aria-live="polite"></ol>
  <noscript>This page needs JavaScript. The messages are also at /dev/inbox/messages, as JSON.</noscript>
</main>
<template id="message"><li>
  <div class="about"><b class="to"></b><span class="channel"></span><span class="locale"></span><span class="segments"></span><time class="time"></time></div>
  <div class="secret"><code class="code"></code><button type="button" class="copy">Copy</button></div>
  <p class="body"></p>
  <div class="steps">
    <ol class="history"></ol>
    <span class="play" hidden><button type="button" class="deliver">Deliver</button><button type="button" class="fail">Fail</button></span>
  </div>
</li></template>
<script>${SCRIPT}</script>
</body>
</html>
`;

const HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': [
    "default-src 'none'",
    `script-src ${hashOf(SCRIPT)}`,
    `style-src ${hashOf(STYLE)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
};

export function InboxPageHeaders(): MethodDecorator {
  return applyDecorators(...Object.entries(HEADERS).map(([name, value]) => Header(name, value)));
}

/** Content Security Policy Level 3, section 2.3.1. */
function hashOf(source: string): string {
  return `'sha256-${hash('sha256', source, 'base64')}'`;
}
