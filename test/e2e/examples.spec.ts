import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { type RunningApi, startApi } from '../support/api.js';
import { ClientsFile, SECRET_TO_ENCODE, type TestClient } from '../support/api-clients.js';
import { findChromium, openBrowser } from '../support/browser.js';
import { Client } from '../support/client.js';
import { POSTGRES_ALONE } from '../support/databases.js';
import { Example } from '../support/example.js';
import { installExample } from '../support/packed-client.js';
import { someNumber } from '../support/phone-numbers.js';
import { findProgram } from '../support/system-programs.js';
import { openSession } from '../support/verifications.js';

const ROOT = resolve(import.meta.dirname, '../..');
const AUDIENCE = 'orders';

let api: RunningApi;
let clients: ClientsFile;
let shop: TestClient;
const folders: string[] = [];
const running: Example[] = [];

beforeAll(async () => {
  clients = new ClientsFile();
  shop = clients.add('shop', ['introspect'], {}, SECRET_TO_ENCODE);
  api = await startApi(POSTGRES_ALONE, { CLIENTS_FILE: clients.path, JWT_AUDIENCES: AUDIENCE });
});
afterEach(async () => {
  for (const example of running.splice(0)) await example.stop();
});
afterAll(async () => {
  await api?.stop();
  clients?.remove();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

/** The issuer of signed tokens. */
const publicUrl = () => api.client.url.replace('127.0.0.1', 'localhost');

async function install(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `latchkey-${name}-`));
  folders.push(folder);
  await installExample(name, folder);
  return folder;
}

async function start(folder: string, module: string, variables = {}): Promise<Example> {
  const example = await Example.start(folder, module, { LATCHKEY_URL: publicUrl(), ...variables });
  running.push(example);
  return example;
}

describe('The example on Express', () => {
  it('serves a user with a token, and refuses the user after the sign-out', async () => {
    const example = await start(await install('express'), 'server.mjs', {
      LATCHKEY_CLIENT_ID: shop.id,
      LATCHKEY_CLIENT_SECRET: shop.secret,
    });
    const client = new Client(example.url);
    expect((await client.get('/')).status).toBe(200);
    const refused = await client.get('/orders');
    expect(refused).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');

    const { token, user } = await openSession(api);
    const orders = () => client.as(token).get('/orders');
    expect(await orders()).toMatchObject({ status: 200, body: { user: user.id, orders: [] } });
    await api.client.as(token).delete('/v1/session');
    expect(await orders()).toMatchObject({ status: 401, body: { code: 'invalid_token' } });
  });
});

describe('The example on Express with wrong settings', () => {
  it('does not start without credentials', async () => {
    const folder = await install('express');
    const started = start(folder, 'server.mjs', { LATCHKEY_CLIENT_ID: shop.id });
    await expect(started).rejects.toThrow('Set LATCHKEY_CLIENT_ID and LATCHKEY_CLIENT_SECRET');
  });

  it('answers 500 with a wrong secret, and logs the reason once', async () => {
    const example = await start(await install('express'), 'server.mjs', {
      LATCHKEY_CLIENT_ID: shop.id,
      LATCHKEY_CLIENT_SECRET: 'the wrong secret',
    });
    const client = new Client(example.url);
    for (const _ of [1, 2]) {
      const answer = await client.as('A'.repeat(26)).get('/orders');
      expect(answer).toMatchObject({ status: 500, body: { code: 'misconfigured' } });
    }
    expect(example.output.match(/VerifierMisconfigured: .*401/g)).toHaveLength(1);
    expect(example.output).not.toContain('the wrong secret');
  });
});

describe('The example on Nest', () => {
  it('type-checks against the package, and serves a user with a signed token', async () => {
    const folder = await install('nest');
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler], { cwd: folder, encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });

    const variables = { LATCHKEY_URL: api.client.url, AUDIENCE };
    const client = new Client((await start(folder, 'dist/main.js', variables)).url);
    expect((await client.get('/orders')).headers.get('www-authenticate')).toBe('Bearer');
    const { token, user } = await openSession(api);
    expect((await client.as(token).get('/orders')).status).toBe(401);
    const { body } = await api.client.as(token).post('/v1/session/jwt', { audience: AUDIENCE });
    const answer = await client.as(body.token).get('/orders');
    expect(answer).toMatchObject({ status: 200, body: { user: user.id, orders: [] } });
    await acceptsTokensOfPlainServer(folder);
  });

  /** Without variables but the address that the server prints, and without PUBLIC_URL and JWT_AUDIENCES there. */
  async function acceptsTokensOfPlainServer(folder: string): Promise<void> {
    const plain = await startApi(POSTGRES_ALONE);
    const example = await start(folder, 'dist/main.js', { LATCHKEY_URL: `${plain.client.url}/` });
    const { token } = await openSession(plain);
    const { body } = await plain.client.as(token).post('/v1/session/jwt');
    expect((await new Client(example.url).as(body.token).get('/orders')).status).toBe(200);
    await plain.stop();
  }
});

const curl = findProgram(['curl'], 'the example with curl');

(curl ? describe : describe.skip)('The example with curl', () => {
  /** @param code returns what the user types. */
  async function run(number: string, code: () => Promise<string>) {
    const script = spawn('sh', ['sign-in.sh', number], {
      cwd: join(ROOT, 'examples/curl'),
      env: { PATH: process.env.PATH, LATCHKEY_URL: api.client.url },
    });
    const ended = once(script, 'close');
    const printed = Promise.all([text(script.stdout), text(script.stderr)]);
    script.stdin.end(`${await code()}\n`);
    const [output, errors] = await printed;
    const [status] = await ended;
    return { status, output, errors };
  }

  it('signs in, shows the user and signs out', async () => {
    const number = someNumber();
    const { status, output, errors } = await run(number, () => api.codeFor(number));
    expect({ status, errors }).toEqual({ status: 0, errors: '' });
    expect(output).toMatch(/^delivery: delivered$/m);
    expect(output).toContain(`"phone_number":"${number}"`);
    expect(output).toMatch(/^signed out$/m);
  });

  it('prints the problem of a wrong code', async () => {
    const { status, output, errors } = await run(someNumber(), async () => '000000');
    expect(status).not.toBe(0);
    expect(errors).toContain('"code":"code_rejected"');
    expect(output).not.toContain('signed out');
  });
});

it('The example with curl prints its usage without a number', () => {
  const { status, stderr } = spawnSync('sh', ['sign-in.sh'], {
    cwd: join(ROOT, 'examples/curl'),
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(/^Usage: sign-in\.sh/) });
});

describe('The server of the static page', () => {
  /** Sends a path as it is, without the corrections of `fetch`. */
  async function statusOf(url: string, path: string): Promise<number | undefined> {
    const { hostname, port } = new URL(url);
    const sent = request({ hostname, port, path }).end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    answer.resume();
    return answer.statusCode;
  }

  it('passes the routes of the API to Latchkey, and nothing else', async () => {
    const { url } = await start(await install('static-page'), 'server.mjs', { LATCHKEY_URL: api.client.url });
    expect(new URL(url).hostname).toBe('127.0.0.1');
    expect(await statusOf(url, '/')).toBe(200);
    expect(await statusOf(url, '/v1/me')).toBe(401);
    for (const path of [
      '/dev/inbox',
      '/dev/inbox/messages',
      '//dev/inbox',
      '/v1/../dev/inbox',
      '/v1/%2e%2e/dev/inbox',
      '/v1/..\\dev/inbox',
      '/v1',
      '/metrics',
      `${api.client.url}/dev/inbox`,
      'http://127.0.0.1:9/v1/me',
      '//127.0.0.1:9/v1/me',
      '//',
      'http://',
    ])
      expect([path, await statusOf(url, path)]).toEqual([path, 404]);
    expect(await statusOf(url, '/v1/..%2fdev/inbox')).not.toBe(200);
  });
});

const chromium = findChromium();

(chromium ? describe : describe.skip)('The example of a static page', () => {
  it('signs in, survives a reload and signs out', async () => {
    const { url } = await start(await install('static-page'), 'server.mjs', { LATCHKEY_URL: api.client.url });
    const browser = await openBrowser(chromium as string);
    const page = await browser.context.newPage();
    page.setDefaultTimeout(10_000);
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    await page.goto(url);
    const number = someNumber();
    await page.getByLabel('Phone number').fill(number);
    await page.getByRole('button', { name: 'Send a code' }).click();
    await page.getByText('delivered').waitFor();

    await page.getByLabel('Code').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Wrong code. Attempts left: 4').waitFor();
    await page.getByLabel('Code').fill(await api.codeFor(number));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText(`Signed in as ${number}`).waitFor();

    await page.reload();
    await page.getByText(`Signed in as ${number}`).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Phone number').waitFor();
    await page.reload();
    await page.getByLabel('Phone number').waitFor();
    await browser.close();
    expect(faults).toEqual([]);
  });
});
