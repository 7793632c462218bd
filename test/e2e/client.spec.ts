import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { InboxProvider } from '#messaging';
import {
  createLatchkey,
  type Latchkey,
  LatchkeyError,
  type LatchkeyStorage,
} from '../../clients/typescript/src/index.js';
import { type RunningApi, startApi } from '../support/api.js';
import { type Browser, findChromium, openBrowser } from '../support/browser.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { installClient } from '../support/packed-client.js';
import { someNumber } from '../support/phone-numbers.js';
import { TcpProxy } from '../support/proxy.js';
import { times } from '../support/repeat.js';
import { BRIEF_COOL_DOWN } from '../support/settings.js';
import { Site } from '../support/site.js';
import { inboxMessages, wrongCode } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const run = promisify(execFile);

/** Of the right form, and unknown. */
const UNKNOWN_TOKEN = 'A'.repeat(26);

let api: RunningApi;
/** Demands a proof of work after some messages without a sign-in. */
let guarded: RunningApi;

beforeAll(async () => {
  api = await startApi(POSTGRES_ALONE, { ...BRIEF_COOL_DOWN, JWT_AUDIENCES: 'shop' });
  guarded = await startApi(POSTGRES_ALONE, { ...BRIEF_COOL_DOWN, BREAKER_MODE: 'enforce' });
});
afterAll(async () => {
  await guarded?.stop();
  await api?.stop();
});

/** Sends messages that are not answered by a sign-in, until the next one needs a proof of work. */
async function demandProofs(): Promise<void> {
  await waitFor('the demand for a proof', async () => {
    const { status } = await guarded.client.post('/v1/verifications', { phone_number: someNumber() });
    return status === 403;
  });
}

/** Sends requests and keeps a record of them. */
function recorder(send: (request: Request) => Promise<Response> = fetch) {
  const sent: { request: string; headers: Headers; body: string; status: number }[] = [];
  const record = async (request: Request): Promise<Response> => {
    const body = await request.clone().text();
    const { method, url, headers } = request;
    const entry = { request: `${method} ${new URL(url).pathname}`, headers, body, status: 0 };
    sent.push(entry);
    const response = await send(request);
    entry.status = response.status;
    return response;
  };
  const statusesOf = (name: string) =>
    sent.filter(({ request }) => request === name).map(({ status }) => status);
  return { fetch: record, sent, statusesOf };
}

/** A storage that a spec can change behind the client's back. */
class OpenStorage implements LatchkeyStorage {
  readonly values = new Map<string, string>();

  get = (key: string) => this.values.get(key) ?? null;
  set = (key: string, value: string) => void this.values.set(key, value);
  delete = (key: string) => void this.values.delete(key);

  /** Replaces members of the session. */
  changeSession(members: object): void {
    const [key, text] = [...this.values].find(([name]) => name.endsWith('session')) as [string, string];
    this.values.set(key, JSON.stringify({ ...JSON.parse(text), ...members }));
  }
}

function open(options: Partial<Parameters<typeof createLatchkey>[0]> = {}) {
  const requests = recorder();
  const storage = new OpenStorage();
  const latchkey = createLatchkey({ url: api.client.url, storage, fetch: requests.fetch, ...options });
  return { latchkey, storage, ...requests };
}

async function signIn(latchkey: Latchkey, phone_number = someNumber()) {
  const verification = await latchkey.start({ phone_number });
  return latchkey.check(verification, await api.codeFor(phone_number));
}

async function failureOf(promise: Promise<unknown>): Promise<LatchkeyError> {
  const error = await promise.then(
    () => null,
    (failure) => failure,
  );
  expect(error).toBeInstanceOf(LatchkeyError);
  return error;
}

describe('The client', () => {
  it('signs in, reads the user and signs out', async () => {
    const { latchkey } = open();
    const phone_number = someNumber();
    const verification = await latchkey.start({ phone_number });
    expect(verification).toMatchObject({ phone_number, status: 'pending' });
    expect((await latchkey.waitForDelivery(verification)).delivery.status).toBe('delivered');
    const session = await latchkey.check(verification, await api.codeFor(phone_number), { name: 'Ada' });
    expect(session).toMatchObject({ is_new_user: true, user: { phone_number, name: 'Ada' } });

    expect(await (await latchkey.fetch('/v1/me')).json()).toMatchObject({ phone_number });
    const { data } = await latchkey.api.GET('/v1/sessions', { params: { query: { limit: 1 } } });
    expect(data?.items).toMatchObject([{ id: session.session_id, current: true }]);
    expect(await latchkey.session()).toMatchObject({ token: session.token, user: { name: 'Ada' } });

    await latchkey.signOut();
    expect(await latchkey.session()).toBeNull();
    expect(await latchkey.token()).toBeNull();
    expect((await latchkey.fetch('/v1/me')).status).toBe(401);
    expect((await api.client.as(session.token).get('/v1/me')).status).toBe(401);
    await latchkey.signOut();
  });

  it('forgets the session on this device only', async () => {
    const { latchkey } = open();
    const { token } = await signIn(latchkey);
    await latchkey.forget();
    expect(await latchkey.session()).toBeNull();
    expect((await api.client.as(token).get('/v1/me')).status).toBe(200);
  });

  it('keeps the session when the sign-out gets no answer', async () => {
    let isDown = false;
    const send = (request: Request) => (isDown ? Promise.reject(new TypeError('down')) : fetch(request));
    const { latchkey } = open({ fetch: send });
    const { token } = await signIn(latchkey);
    isDown = true;
    expect(await failureOf(latchkey.signOut())).toMatchObject({ code: 'no_answer', status: 0 });
    expect(await latchkey.session()).toMatchObject({ token });
  });

  it('ends a session whose token is no longer valid', async () => {
    const { latchkey, storage } = open();
    const { token } = await signIn(latchkey);
    storage.changeSession({ token: UNKNOWN_TOKEN });
    await latchkey.signOut();
    expect(await latchkey.session()).toBeNull();
    expect((await api.client.as(token).get('/v1/me')).status).toBe(401);
  });

  it('sends the device token at the next sign-in', async () => {
    const { latchkey, sent } = open();
    const phone_number = someNumber();
    const { device_token } = await signIn(latchkey, phone_number);
    await latchkey.signOut();
    expect(JSON.parse(sent[0]?.body as string)).not.toHaveProperty('device_token');
    sent.length = 0;
    const verification = await latchkey.start({ phone_number: someNumber() });
    await failureOf(latchkey.resend(verification));
    await failureOf(latchkey.check(verification, 'wrong'));
    expect(sent.map(({ body }) => JSON.parse(body).device_token)).toEqual(times(3, () => device_token));
  });

  it('resends a code once the cool-down is over', async () => {
    const { latchkey } = open();
    const phone_number = someNumber();
    const verification = await latchkey.start({ phone_number });
    const error = await failureOf(latchkey.resend(verification.id));
    expect(error).toMatchObject({
      code: 'rate_limited',
      status: 429,
      retryAfter: 1,
      problem: { limit: 'cool_down' },
    });
    const again = await waitFor('the resend', () => latchkey.resend(verification.id).catch(() => null));
    expect(again.id).toBe(verification.id);
    await waitFor('both', async () => (await inboxMessages(api.client, phone_number)).length === 2);
  });

  it('cancels a verification', async () => {
    const { latchkey } = open();
    const verification = await latchkey.start({ phone_number: someNumber() });
    await latchkey.cancel(verification);
    expect((await latchkey.verification(verification.id)).status).toBe('canceled');
    expect((await latchkey.waitForDelivery(verification)).status).toBe('canceled');
  });

  it('throws the problems of the server with their members', async () => {
    const { latchkey } = open();
    const phone_number = someNumber();
    const verification = await latchkey.start({ phone_number });
    const code = wrongCode(await api.codeFor(phone_number));
    const error = await failureOf(latchkey.check(verification, code));
    expect(error).toMatchObject({
      name: 'LatchkeyError',
      code: 'code_rejected',
      status: 401,
      retryAfter: null,
    });
    expect(error.problem).toMatchObject({ attempts_left: 4, instance: expect.any(String) });
    expect(error.message).toBe(`code_rejected: ${error.detail}`);
    const fault = await failureOf(latchkey.start({ phone_number: 'no number' }));
    expect(fault.problem?.errors).toMatchObject([{ pointer: '/phone_number' }]);
  });

  it('moves the account to another number', async () => {
    const { latchkey } = open();
    await signIn(latchkey);
    const phone_number = someNumber();
    const verification = await latchkey.changePhoneNumber({ phone_number });
    const { is_new_user } = await latchkey.check(verification, await api.codeFor(phone_number));
    expect(is_new_user).toBe(false);
    expect(await (await latchkey.fetch('/v1/me')).json()).toMatchObject({ phone_number });
  });

  it('returns signed tokens for other services', async () => {
    const { latchkey } = open();
    await signIn(latchkey);
    expect(await latchkey.signedToken('shop')).toMatchObject({ token: expect.stringMatching(/^ey/) });
    expect(await failureOf(latchkey.signedToken('other'))).toMatchObject({ code: 'invalid_request' });
  });

  it('sends tokens to the server only', async () => {
    const { latchkey, sent } = open();
    await signIn(latchkey);
    sent.length = 0;
    await expect(latchkey.fetch('https://evil.example/v1/me')).rejects.toThrow(TypeError);
    await expect(latchkey.fetch('@evil.example')).rejects.toThrow(TypeError);
    expect(sent).toEqual([]);
  });

  it('sends a code and opens a session once when answers are lost', async () => {
    const lost = new Set<string>();
    const requests = recorder(async (request) => {
      const response = await fetch(request);
      if (lost.has(request.url)) return response;
      lost.add(request.url);
      throw new TypeError('the connection broke');
    });
    const { latchkey } = open({ fetch: requests.fetch });
    const phone_number = someNumber();
    const verification = await latchkey.start({ phone_number });
    const { token, session_id } = await latchkey.check(verification, await api.codeFor(phone_number));
    expect(await inboxMessages(api.client, phone_number)).toHaveLength(1);
    const { body } = await api.client.as(token).get('/v1/sessions');
    expect(body.items.map(({ id }: { id: string }) => id)).toEqual([session_id]);
    const keys = requests.sent.map(({ headers }) => headers.get('idempotency-key'));
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys).toEqual([keys[0], keys[0], keys[2], keys[2]]);
    expect(keys[2]).not.toBe(keys[0]);
  });
});

describe('Waiting for the delivery', () => {
  let inbox: InboxProvider;

  beforeAll(() => {
    inbox = api.nest.get(InboxProvider);
  });
  beforeEach(() => {
    inbox.clear();
    inbox.plan = 'delay';
  });
  afterEach(() => {
    inbox.plan = 'deliver';
  });

  const settle = (status: 'delivered' | 'undelivered') =>
    inbox.settle(inbox.messages()[0]?.id as string, status);

  async function startSent(latchkey: Latchkey) {
    const phone_number = someNumber();
    const verification = await latchkey.start({ phone_number });
    await api.codeFor(phone_number);
    return verification;
  }

  it('yields each state, and asks with the tag of the last answer', async () => {
    const { latchkey, sent } = open();
    const seen: string[] = [];
    for await (const { delivery } of latchkey.changes(await startSent(latchkey))) {
      seen.push(delivery.status);
      if (delivery.status === 'sent') settle('delivered');
    }
    expect(seen).toEqual(['queued', 'sent', 'delivered']);
    const polls = sent.filter(({ request }) => request.startsWith('GET'));
    expect(polls.map(({ headers }) => headers.has('if-none-match'))).toEqual([true, true]);
  });

  it('begins with an id alone', async () => {
    const { latchkey } = open();
    const { id } = await startSent(latchkey);
    settle('delivered');
    const { latchkey: another } = open();
    expect((await another.waitForDelivery(id)).delivery.status).toBe('delivered');
  });

  it('begins with a verification that was stored', async () => {
    const { latchkey } = open();
    const stored = JSON.parse(JSON.stringify(await startSent(latchkey)));
    settle('delivered');
    expect((await latchkey.waitForDelivery(stored)).delivery.status).toBe('delivered');
  });

  it('ends when it is aborted', async () => {
    const { latchkey, statusesOf } = open();
    const controller = new AbortController();
    const verification = await startSent(latchkey);
    const waiting = latchkey.waitForDelivery(verification, { signal: controller.signal });
    await waitFor('the last poll', () => statusesOf(`GET /v1/verifications/${verification.id}`).length >= 2);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('goes on after an outage', async () => {
    const proxy = await TcpProxy.before(api.client.url);
    const { latchkey, statusesOf } = open({ url: proxy.url });
    const verification = await startSent(latchkey);
    const waiting = latchkey.waitForDelivery(verification);
    const polls = () => statusesOf(`GET /v1/verifications/${verification.id}`).length;
    await waitFor('the last poll', () => polls() >= 2);
    proxy.cut();
    await waitFor('a poll that fails', () => polls() >= 4);
    proxy.heal();
    settle('delivered');
    expect((await waiting).delivery.status).toBe('delivered');
    await proxy.close();
  });
});

describe('Proof of work', () => {
  beforeEach(demandProofs);

  const openGuarded = (options = {}) => open({ url: guarded.client.url, ...options });

  it('is computed when the server demands it', async () => {
    const { latchkey, sent, statusesOf } = openGuarded();
    const verification = await latchkey.start({ phone_number: someNumber() });
    expect(verification.status).toBe('pending');
    expect(statusesOf('POST /v1/verifications')).toEqual([403, 202]);
    expect(sent.map(({ body }) => 'altcha' in JSON.parse(body))).toEqual([false, true]);
  });

  it('is not begun after an abort', async () => {
    const controller = new AbortController();
    const requests = recorder(async (request) => {
      const response = await fetch(request);
      if (response.status === 403) controller.abort();
      return response;
    });
    const { latchkey } = openGuarded({ fetch: requests.fetch });
    const starting = latchkey.start({ phone_number: someNumber() }, { signal: controller.signal });
    await expect(starting).rejects.toMatchObject({ name: 'AbortError' });
    expect(requests.statusesOf('POST /v1/verifications')).toEqual([403]);
  });

  it('ends when it is aborted', async () => {
    const controller = new AbortController();
    const endless = { algorithm: 'SHA-256', cost: 1, nonce: '00', salt: '00', keyPrefix: '0'.repeat(32) };
    const challenge = { parameters: endless, signature: '00' };
    const send = async () => {
      setImmediate(() => controller.abort());
      return Response.json({ code: 'proof_of_work_required', detail: '', challenge }, { status: 403 });
    };
    const { latchkey } = openGuarded({ fetch: send });
    const starting = latchkey.start({ phone_number: someNumber() }, { signal: controller.signal });
    await expect(starting).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('is given up when the server never accepts it', async () => {
    const requests = recorder(async (request) =>
      fetch(
        new Request(request.url, {
          method: 'POST',
          headers: request.headers,
          body: JSON.stringify({ phone_number: '+14155559999' }),
        }),
      ),
    );
    const { latchkey } = openGuarded({ fetch: requests.fetch });
    const error = await failureOf(latchkey.start({ phone_number: someNumber() }));
    expect(error.code).toBe('proof_of_work_required');
    expect(requests.sent).toHaveLength(3);
  });
});

describe('Refreshing', () => {
  const REFRESH = 'POST /v1/session/refresh';

  it('happens once for many requests with a refused token', async () => {
    const { latchkey, storage, statusesOf } = open();
    const { session_id } = await signIn(latchkey);
    storage.changeSession({ token: UNKNOWN_TOKEN });
    const answers = await Promise.all(times(8, () => latchkey.fetch('/v1/me')));
    expect(answers.map(({ status }) => status)).toEqual(times(8, () => 200));
    expect(statusesOf(REFRESH)).toEqual([200]);
    expect(await latchkey.session()).toMatchObject({
      session_id,
      token: expect.not.stringMatching(UNKNOWN_TOKEN),
    });
  });

  it('happens once before a token expires', async () => {
    const { latchkey, storage, statusesOf } = open();
    const { token } = await signIn(latchkey);
    const soon = new Date(Date.now() + 30_000).toISOString();
    storage.changeSession({ expires_at: soon, received_at: Date.now() - 3_600_000 });
    const tokens = await Promise.all([latchkey.token(), latchkey.token(), latchkey.fetch('/v1/me')]);
    expect(tokens[0]).not.toBe(token);
    expect(tokens[1]).toBe(tokens[0]);
    expect(statusesOf(REFRESH)).toEqual([200]);
    expect(statusesOf('GET /v1/me')).toEqual([200]);
  });

  it('repeats the request with its body', async () => {
    const { latchkey, storage } = open();
    await signIn(latchkey);
    storage.changeSession({ token: UNKNOWN_TOKEN });
    const { data } = await latchkey.api.PATCH('/v1/me', { body: { name: 'Grace' } });
    expect(data?.name).toBe('Grace');
  });

  it('survives a lost answer', async () => {
    let lost = 0;
    const { latchkey, storage } = open({
      fetch: async (request) => {
        const response = await fetch(request);
        if (!request.url.endsWith('/refresh') || lost++ > 0) return response;
        throw new TypeError('the connection broke');
      },
    });
    await signIn(latchkey);
    storage.changeSession({ token: UNKNOWN_TOKEN });
    expect((await latchkey.fetch('/v1/me')).status).toBe(200);
    expect(lost).toBe(2);
  });

  it('ends a session that the server has ended', async () => {
    const { latchkey, statusesOf } = open();
    const { token } = await signIn(latchkey);
    await api.client.as(token).delete('/v1/session');
    expect((await latchkey.fetch('/v1/me')).status).toBe(401);
    expect(statusesOf(REFRESH)).toEqual([401]);
    expect(await latchkey.session()).toBeNull();
    expect(await latchkey.token()).toBeNull();
  });

  it('keeps the session when the server does not answer', async () => {
    let isDown = false;
    const send = async (request: Request) =>
      isDown && request.url.endsWith('/refresh') ? Promise.reject(new TypeError('down')) : fetch(request);
    const { latchkey, storage } = open({ fetch: send });
    await signIn(latchkey);
    storage.changeSession({ token: UNKNOWN_TOKEN });
    isDown = true;
    expect(await failureOf(latchkey.fetch('/v1/me') as Promise<unknown>)).toMatchObject({
      code: 'no_answer',
    });
    isDown = false;
    expect((await latchkey.fetch('/v1/me')).status).toBe(200);
  });

  it('is shared by clients of one storage', async () => {
    const { latchkey, storage, fetch: record, statusesOf } = open();
    await signIn(latchkey);
    const another = createLatchkey({ url: api.client.url, storage, fetch: record });
    storage.changeSession({ token: UNKNOWN_TOKEN });
    const answers = await Promise.all([latchkey.fetch('/v1/me'), another.fetch('/v1/me')]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(statusesOf(REFRESH)).toEqual([200]);
  });

  it('does not happen for a wrong code', async () => {
    const { latchkey, statusesOf } = open();
    await signIn(latchkey);
    const verification = await latchkey.start({ phone_number: someNumber() });
    expect((await failureOf(latchkey.check(verification, 'wrong'))).code).toBe('code_rejected');
    expect(statusesOf(REFRESH)).toEqual([]);
  });

  it('leaves a token that the caller has set alone', async () => {
    const { latchkey, statusesOf } = open();
    await signIn(latchkey);
    const headers = { Authorization: `Bearer ${UNKNOWN_TOKEN}` };
    expect((await latchkey.fetch('/v1/me', { headers })).status).toBe(401);
    expect(statusesOf(REFRESH)).toEqual([]);
  });
});

describe('The package', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latchkey-package-'));
    await installClient(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function runModule(source: string): Promise<string> {
    const file = join(folder, 'app.mjs');
    await writeFile(file, source);
    const { stdout } = await run(process.execPath, [file], { env: { PATH: process.env.PATH } });
    return stdout.trim();
  }

  it('signs in from plain Node', async () => {
    const phone_number = someNumber();
    const output = await runModule(`
      import { createLatchkey, LatchkeyError } from '@latchkey/client';
      const latchkey = createLatchkey({ url: '${guarded.client.url}' });
      const verification = await latchkey.start({ phone_number: '${phone_number}' });
      await latchkey.waitForDelivery(verification);
      const messages = await fetch('${guarded.client.url}/dev/inbox/messages?to=${encodeURIComponent(phone_number)}');
      const [{ code }] = await messages.json();
      await latchkey.check(verification, 'wrong').catch((error) => {
        if (!(error instanceof LatchkeyError)) throw error;
        console.log(error.code);
      });
      await latchkey.check(verification, code);
      console.log((await (await latchkey.fetch('/v1/me')).json()).phone_number);
      await latchkey.signOut();
    `);
    expect(output.split('\n')).toEqual(['code_rejected', phone_number]);
  });

  it('has types for pages', async () => {
    const compilerOptions = {
      ...{ noEmit: true, strict: true, exactOptionalPropertyTypes: true, types: [] },
      ...{ target: 'es2022', lib: ['es2022', 'dom', 'dom.iterable'] },
      ...{ moduleResolution: 'bundler', module: 'esnext' },
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['page.mts'] }));
    await writeFile(
      join(folder, 'page.mts'),
      `import { createLatchkey, LatchkeyError, type Verification } from '@latchkey/client';
      const createWorker = () => new Worker('/worker.js', { type: 'module' });
      const latchkey = createLatchkey({ url: '/auth', storage: 'localStorage', createWorker });
      const verification: Verification = await latchkey.start({ phone_number: '+14155550123' });
      const { data, error } = await latchkey.api.PATCH('/v1/me', { body: { name: 'Ada' } });
      export const name: string | null | undefined = data?.name;
      export const isLate = error?.code === 'version_conflict';
      // @ts-expect-error members are named as in the API
      await latchkey.start({ phoneNumber: '+14155550123' });
      await latchkey.check(verification, '000000').catch((failure: unknown) => {
        if (failure instanceof LatchkeyError && failure.code === 'code_rejected') return failure.problem?.attempts_left;
        // @ts-expect-error no such code
        return failure instanceof LatchkeyError && failure.code === 'code_refused';
      });`,
    );
    const compiler = require.resolve('typescript/bin/tsc');
    const { stdout } = await run(process.execPath, [compiler, '-p', folder]).catch((error) => error);
    expect(stdout).toBe('');
  });

  it('has an entry for servers, for workers and for pages without a bundler', async () => {
    const output = await runModule(`
      import * as server from '@latchkey/client/server';
      import * as browser from '@latchkey/client/browser';
      console.log(Object.keys(server).sort().join());
      console.log(Object.keys(browser).sort().join());
      console.log(import.meta.resolve('@latchkey/client/worker').endsWith('/dist/worker.js'));
    `);
    expect(output.split('\n')).toEqual([
      'VerifierMisconfigured,VerifierUnavailable,authenticate,expressAuth,fastifyAuth,identityOf,introspectionVerifier,nestAuth,signedTokenVerifier',
      'LatchkeyError,createLatchkey',
      'true',
    ]);
  });
});

const chromium = findChromium();

/** Globals of the page. */
declare const latchkey: Latchkey;
declare const release: () => void;
declare const navigator: {
  readonly locks: {
    query(): Promise<{ pending?: object[] }>;
    request(name: string, work: () => Promise<void>): Promise<void>;
  };
};
declare const Worker: { prototype: object };
declare const localStorage: {
  length: number;
  key(i: number): string;
  getItem(key: string): string;
  setItem(key: string, value: string): void;
};

const PAGE = `<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<script type="module">
  import { createLatchkey } from '/client/latchkey.js';
  globalThis.latchkey = createLatchkey({ url: '/', storage: 'localStorage' });
</script>`;

(chromium ? describe : describe.skip)('The client in Chromium', () => {
  let browser: Browser;
  let site: Site;
  let guardedSite: Site;
  const pages: Page[] = [];

  beforeAll(async () => {
    browser = await openBrowser(chromium as string, ['--host-resolver-rules=MAP latchkey.test 127.0.0.1']);
    site = await Site.open(PAGE, api.client.url);
    guardedSite = await Site.open(PAGE, guarded.client.url);
  });
  afterEach(async () => {
    site.passed.length = 0;
    site.gate = async () => {};
    for (const page of pages.splice(0)) await page.close();
  });
  afterAll(async () => {
    await browser?.close();
    await guardedSite?.close();
    await site?.close();
  });

  async function openPage(of = site): Promise<Page> {
    const page = await browser.context.newPage();
    pages.push(page);
    page.setDefaultTimeout(10_000);
    await page.goto(of.url);
    await page.waitForFunction(() => typeof latchkey === 'object');
    return page;
  }

  async function signInOn(page: Page, server = api): Promise<string> {
    const phone_number = someNumber();
    const { id } = await page.evaluate((number) => latchkey.start({ phone_number: number }), phone_number);
    const code = await server.codeFor(phone_number);
    await page.evaluate(([of, typed]) => latchkey.check(of as string, typed as string), [id, code]);
    return phone_number;
  }

  /** Makes the stored token one that the server refuses. */
  function spoilToken(page: Page): Promise<void> {
    return page.evaluate((token) => {
      for (let i = 0; i < localStorage.length; i += 1) {
        const key = localStorage.key(i);
        if (!key.endsWith('session')) continue;
        localStorage.setItem(key, JSON.stringify({ ...JSON.parse(localStorage.getItem(key)), token }));
      }
    }, UNKNOWN_TOKEN);
  }

  /** Takes the lock of refreshes, until the page calls `release`. */
  function holdLock(page: Page): Promise<void> {
    return page.evaluate(
      (name) =>
        new Promise<void>((held) => {
          void navigator.locks.request(name, () => {
            held();
            return new Promise<void>((resolve) => Object.assign(globalThis, { release: resolve }));
          });
        }),
      `latchkey ${site.url}`,
    );
  }

  const statusOfMe = (page: Page) => page.evaluate(async () => (await latchkey.fetch('/v1/me')).status);

  it('signs in, waits for the delivery and signs out', async () => {
    const page = await openPage();
    const phone_number = someNumber();
    const delivered = await page.evaluate(async (number) => {
      return latchkey.waitForDelivery(await latchkey.start({ phone_number: number }));
    }, phone_number);
    expect(delivered.delivery.status).toBe('delivered');
    await signInOn(page);
    expect(await statusOfMe(page)).toBe(200);
    await page.evaluate(() => latchkey.signOut());
    expect(await statusOfMe(page)).toBe(401);
  });

  it('keeps the session through a reload, and shares it with other tabs', async () => {
    const page = await openPage();
    const phone_number = await signInOn(page);
    await page.reload();
    await page.waitForFunction(() => typeof latchkey === 'object');
    expect(await statusOfMe(page)).toBe(200);
    const another = await openPage();
    const session = await another.evaluate(() => latchkey.session());
    expect(session?.user.phone_number).toBe(phone_number);
    await another.evaluate(() => latchkey.signOut());
    await page.waitForFunction(async () => (await latchkey.session()) === null);
  });

  it('keeps the session in memory where the user forbids storage', async () => {
    const page = await openPage();
    await page.addInitScript(() => {
      Object.defineProperty(globalThis, 'localStorage', {
        get: () => {
          throw new Error('access is denied');
        },
      });
    });
    await page.reload();
    await page.waitForFunction(() => typeof latchkey === 'object');
    await signInOn(page);
    expect(await statusOfMe(page)).toBe(200);
  });

  it('refreshes once for two tabs', async () => {
    const tabs = [await openPage(), await openPage()] as const;
    await signInOn(tabs[0]);
    await spoilToken(tabs[0]);
    await tabs[1].waitForFunction(
      async (token) => (await latchkey.session())?.token === token,
      UNKNOWN_TOKEN,
    );
    await holdLock(tabs[0]);
    const statuses = Promise.all(tabs.map(statusOfMe));
    const waiting = () => tabs[0].evaluate(async () => (await navigator.locks.query()).pending?.length);
    await waitFor('both tabs, whose token is refused', async () => (await waiting()) === 2);
    await tabs[0].evaluate(() => release());
    expect(await statuses).toEqual([200, 200]);
    expect(site.statusesOf('POST /v1/session/refresh')).toEqual([200]);
    const tokens = await Promise.all(tabs.map((tab) => tab.evaluate(() => latchkey.token())));
    expect(tokens[0]).toBe(tokens[1]);
  });

  describe('when a proof of work is demanded', () => {
    let page: Page;

    beforeEach(async () => {
      await demandProofs();
      guardedSite.passed.length = 0;
      page = await openPage(guardedSite);
    });

    async function startWithProof(): Promise<void> {
      const { status } = await page.evaluate(
        (number) => latchkey.start({ phone_number: number }),
        someNumber(),
      );
      expect(status).toBe('pending');
      expect(guardedSite.statusesOf('POST /v1/verifications')).toEqual([403, 202]);
    }

    it('computes it in a worker', async () => {
      const worker = page.waitForEvent('worker');
      await startWithProof();
      expect((await worker).url()).toBe(`${guardedSite.url}/client/worker.js`);
    });

    it('computes it in the page where there are no workers', async () => {
      await page.evaluate(() => Reflect.deleteProperty(globalThis, 'Worker'));
      await startWithProof();
    });

    it('computes it in the page where the worker cannot be loaded', async () => {
      await page.route('**/client/worker.js', (route) => route.abort());
      await startWithProof();
    });

    it('stops the worker when it is aborted', async () => {
      const result = await page.evaluate(async (number) => {
        const controller = new AbortController();
        let ended = 0;
        // It never gets its task, so only the abort ends it.
        Object.assign(Worker.prototype, {
          postMessage: () => controller.abort(),
          terminate: () => {
            ended += 1;
          },
        });
        const starting = latchkey.start({ phone_number: number }, { signal: controller.signal });
        const failure = (await starting.catch((error) => error)) as unknown as Error;
        return { name: failure.name, ended };
      }, someNumber());
      expect(result).toEqual({ name: 'AbortError', ended: 1 });
    });
  });

  it('works on a page without HTTPS, which has neither Web Locks nor Web Crypto', async () => {
    const insecure = guardedSite.url.replace('localhost', 'latchkey.test');
    const page = await browser.context.newPage();
    pages.push(page);
    await demandProofs();
    await page.goto(insecure);
    await page.waitForFunction(() => typeof latchkey === 'object');
    expect(
      await page.evaluate(() => 'locks' in (globalThis as unknown as { navigator: object }).navigator),
    ).toBe(false);
    await signInOn(page, guarded);
    await spoilToken(page);
    expect(
      await page.evaluate(async () => {
        const answers = await Promise.all([latchkey.fetch('/v1/me'), latchkey.fetch('/v1/me')]);
        return answers.map(({ status }) => status);
      }),
    ).toEqual([200, 200]);
    expect(guardedSite.statusesOf('POST /v1/session/refresh')).toEqual([200]);
  });
});
