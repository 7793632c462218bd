import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLatchkey, type Latchkey, LatchkeyError } from '../../clients/typescript/src/index.js';
import { memoryStorage } from '../../clients/typescript/src/storage.js';
import { findChromium, openBrowser } from '../support/browser.js';
import { Site } from '../support/site.js';

/** An answer of a server that is not Latchkey. */
interface Foreign {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

const PAGE = '<!doctype html><title>Welcome to the Wi-Fi</title>';
const HTML = { 'Content-Type': 'text/html' };
const JSON_TYPE = { 'Content-Type': 'application/json' };

const FOREIGN: [string, Foreign][] = [
  ['a page', { status: 200, headers: HTML, body: PAGE }],
  ['a page of an error', { status: 502, headers: HTML, body: PAGE }],
  ['a page that demands a password', { status: 401, headers: HTML, body: PAGE }],
  ['a redirect', { status: 302, headers: { Location: 'http://127.0.0.1:9/login' } }],
  ['a redirect with the body', { status: 307, headers: { Location: 'http://127.0.0.1:9/login' } }],
  ['an empty body', { status: 200 }],
  ['an empty object', { status: 200, headers: JSON_TYPE, body: '{}' }],
  ['null', { status: 200, headers: JSON_TYPE, body: 'null' }],
  ['an array', { status: 200, headers: JSON_TYPE, body: '[]' }],
  ['members of other types', { status: 200, headers: JSON_TYPE, body: '{"id":1,"token":{},"proof":[]}' }],
];
const NO_CONTENT: [string, Foreign] = ['no content', { status: 204 }];

let server: Server;
let url: string;
let answer: Foreign;
let requests: string[];

beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.resume();
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  requests = [];
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** A client with a session, whose token expires at the given time. */
async function signedIn(expiresAt: number) {
  const storage = memoryStorage();
  const session = {
    ...{ token: 'a token', refresh_token: 'a refresh token', user: { id: 'a user' } },
    ...{ expires_at: new Date(expiresAt).toISOString(), received_at: expiresAt - 3_600_000 },
  };
  await storage.set(`latchkey ${url} session`, JSON.stringify(session));
  return createLatchkey({ url, storage });
}

const later = () => Date.now() + 3_600_000;
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error) => error,
  );

async function expectUnexpected(promise: Promise<unknown>, { status }: Foreign): Promise<void> {
  const error = await failureOf(promise);
  expect(error).toBeInstanceOf(LatchkeyError);
  expect(error).toMatchObject({ code: 'unexpected_answer', status, problem: null });
  expect(requests).toHaveLength(1);
}

const CALLS: [string, (latchkey: Latchkey) => Promise<unknown>][] = [
  ['start', (latchkey) => latchkey.start({ phone_number: '+14155550123' })],
  ['resend', (latchkey) => latchkey.resend('an-id')],
  ['changePhoneNumber', (latchkey) => latchkey.changePhoneNumber({ phone_number: '+14155550123' })],
  ['verification', (latchkey) => latchkey.verification('an-id')],
  ['waitForDelivery', (latchkey) => latchkey.waitForDelivery('an-id')],
  ['check', (latchkey) => latchkey.check('an-id', '123456')],
  ['signedToken', (latchkey) => latchkey.signedToken()],
];

describe.each(CALLS)('%s', (_, call) => {
  it.each([...FOREIGN, NO_CONTENT])('reports %s as an unexpected answer', async (_name, foreign) => {
    answer = foreign;
    await expectUnexpected(call(await signedIn(later())), foreign);
  });
});

it.each(FOREIGN)('cancel reports %s as an unexpected answer', async (_, foreign) => {
  answer = foreign;
  await expectUnexpected((await signedIn(later())).cancel('an-id'), foreign);
});

describe('The session', () => {
  it.each([...FOREIGN, NO_CONTENT])('is kept when a refresh is answered with %s', async (_, foreign) => {
    answer = foreign;
    const latchkey = await signedIn(Date.now());
    await expectUnexpected(latchkey.token(), foreign);
    expect(await latchkey.session()).toMatchObject({ refresh_token: 'a refresh token' });
  });

  it.each(FOREIGN)('is kept when a sign-out is answered with %s', async (_, foreign) => {
    answer = foreign;
    const latchkey = await signedIn(later());
    expect(await failureOf(latchkey.signOut())).toMatchObject({ code: 'unexpected_answer' });
    expect(await latchkey.session()).toMatchObject({ token: 'a token' });
  });

  it('is not changed by a check with an unexpected answer', async () => {
    answer = { status: 200, headers: JSON_TYPE, body: '{"token":"another token"}' };
    const latchkey = await signedIn(later());
    await expectUnexpected(latchkey.check('an-id', '123456'), answer);
    expect(await latchkey.session()).toMatchObject({ token: 'a token' });
  });
});

const chromium = findChromium();

/** A global of the page. */
declare const latchkey: Latchkey;

const SITE = `<!doctype html>
<link rel="icon" href="data:,">
<script type="module">
  import { createLatchkey } from '/client/latchkey.js';
  globalThis.latchkey = createLatchkey({ url: '/' });
</script>`;

(chromium ? describe : describe.skip)('The client in Chromium', () => {
  it('reports a redirect to another origin, and a page, as unexpected answers', async () => {
    const browser = await openBrowser(chromium as string);
    const site = await Site.open(SITE, url);
    const page = await browser.context.newPage();
    await page.goto(site.url);
    await page.waitForFunction(() => typeof latchkey === 'object');
    const codeOfStart = () =>
      page.evaluate(() =>
        latchkey.start({ phone_number: '+14155550123' }).then(
          () => 'success',
          ({ code, status }) => [code, status],
        ),
      );
    answer = { status: 302, headers: { Location: 'http://127.0.0.1:9/login' } };
    expect(await codeOfStart()).toEqual(['unexpected_answer', 0]);
    answer = { status: 200, headers: HTML, body: PAGE };
    expect(await codeOfStart()).toEqual(['unexpected_answer', 200]);
    expect(requests).toHaveLength(2);
    await browser.close();
    await site.close();
  });
});
