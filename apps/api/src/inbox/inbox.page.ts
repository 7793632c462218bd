import { createHash } from 'node:crypto';

const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #fff; --ink: #1b1f27; --quiet: #626b7a; --line: #dfe3ea; --accent: #2856d8;
}
@media (prefers-color-scheme: dark) {
  :root { --page: #14161b; --card: #1d2027; --ink: #e8eaf0; --quiet: #98a1b2; --line: #2e333d; --accent: #8fadff; }
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
#empty { margin-top: 1.25rem; padding: 2rem; }
#empty h2 { margin: 0 0 .5rem; font-size: 1.05rem; }
#empty p { margin: 0 0 .75rem; color: var(--quiet); }
#empty pre { margin: 0; padding: .9rem 1rem; border-radius: .5rem; background: var(--page); font-size: .85rem; white-space: pre-wrap; overflow-wrap: anywhere; }
`;

const SCRIPT = `
const MESSAGES = '/dev/inbox/messages';
const find = (id) => document.getElementById(id);
const rows = new Map();

find('example').textContent =
  'curl ' + location.origin + '/v1/verifications \\\\\\n' +
  "  -H 'Content-Type: application/json' \\\\\\n" +
  "  -d '{ \\"phone_number\\": \\"+14155550123\\" }'";
find('clear').addEventListener('click', async () => {
  await ask({ method: 'DELETE' }).then(() => show([]), fail);
});
watch();

async function watch() {
  for (;;) {
    if (!document.hidden) await ask().then((response) => response.json()).then(show, fail);
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

async function ask(options) {
  const response = await fetch(MESSAGES, { ...options, signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Error(String(response.status));
  return response;
}

function fail() {
  find('state').textContent = 'The server does not answer. Still trying…';
}

function show(messages) {
  const shown = new Set(messages.map(({ id }) => id));
  for (const [id, row] of rows) {
    if (shown.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  // Rows that are there already stay untouched: somebody may be selecting in one.
  for (const message of [...messages].reverse()) {
    if (rows.has(message.id)) continue;
    const row = rowOf(message);
    rows.set(message.id, row);
    find('messages').prepend(row);
  }
  const { length } = messages;
  find('state').textContent = length === 0 ? '' : length === 1 ? '1 message' : length + ' messages';
  find('empty').hidden = length > 0;
  find('clear').hidden = length === 0;
}

function rowOf({ to, channel, body, code, created_at }) {
  const row = find('message').content.cloneNode(true).firstElementChild;
  const part = (name) => row.querySelector('.' + name);
  part('to').textContent = to;
  part('channel').textContent = channel;
  part('body').textContent = body;
  part('code').textContent = code;
  part('time').textContent = new Date(created_at).toLocaleTimeString();
  part('time').title = part('time').dateTime = created_at;
  part('copy').addEventListener('click', () => copy(part('code'), part('copy')));
  return row;
}

async function copy(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = 'Copied';
  } catch {
    // Without TLS the clipboard is for localhost only.
    getSelection().selectAllChildren(code);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
}
`;

/** Everything from outside gets in as `textContent`; everything else is here: the policy below allows no more. */
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
  <section id="empty" hidden>
    <h2>No messages yet</h2>
    <p>No phone rings during development: what would go out by SMS shows up here. Ask for a code, for instance with</p>
    <pre><code id="example"></code></pre>
  </section>
  <ol id="messages" aria-live="polite"></ol>
  <noscript>This page needs JavaScript. The messages are also at /dev/inbox/messages, as JSON.</noscript>
</main>
<template id="message"><li>
  <div class="about"><b class="to"></b><span class="channel"></span><time class="time"></time></div>
  <div class="secret"><code class="code"></code><button type="button" class="copy">Copy</button></div>
  <p class="body"></p>
</li></template>
<script>${SCRIPT}</script>
</body>
</html>
`;

export const INBOX_PAGE_HEADERS = {
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

/** Content Security Policy Level 3, section 2.3.1. */
function hashOf(source: string): string {
  return `'sha256-${createHash('sha256').update(source).digest('base64')}'`;
}
