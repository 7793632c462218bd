import { Keys } from '#keys';
import { abuseApis } from '../support/abuse-api.js';
import { type RunningApi, startApi, startReplica } from '../support/api.js';
import { ClientsFile, type TestClient } from '../support/api-clients.js';
import type { Answer } from '../support/client.js';
import { mainlyOn, modes } from '../support/databases.js';
import { dumpPostgres, dumpRedis } from '../support/dumps.js';
import { whileLocked } from '../support/outages.js';
import { someNumber } from '../support/phone-numbers.js';
import { ServerProcess } from '../support/server-process.js';
import { SECRET, USUAL_DATABASE_TIMEOUT } from '../support/settings.js';
import {
  type OpenedVerification,
  openAnother,
  openSession,
  openVerification,
} from '../support/verifications.js';
import { waitFor } from '../support/wait.js';
import { newWebhookSecret, type ReceivedEvent, WebhookReceiver } from '../support/webhook-receiver.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const MASKED = /^\+\d{1,4}\*{4,}\d\d$/;
const ANY_TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

/** Every one of eight tries follows soon. */
const QUICK = { WEBHOOK_RETRIES: Array(7).fill('1s').join() };

type Session = Answer['body'];

const waiting = (api: RunningApi) =>
  api.database.query<{ type: string; data: object; tries: number; phone_sealed: string | null }>(
    'select type, data, tries, phone_sealed from webhook_messages order by created_at',
  );

describe.each(modes)('Webhooks on $name, with two servers', (mode) => {
  let receiver: WebhookReceiver;
  let clients: ClientsFile;
  let shop: TestClient;
  let api: RunningApi;
  let replica: RunningApi;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    clients = new ClientsFile();
    shop = clients.add('shop', ['verify']);
    const variables = { LIMIT_COOL_DOWN: '1s', CLIENTS_FILE: clients.path };
    api = await startApi(mode, { ...variables, ...QUICK, ...receiver.variables });
    // It does no background work: the other server sends its events.
    replica = await startReplica(api);
  });
  afterEach(() => {
    receiver.reply = () => ({ status: 204 });
    expect(receiver.forged).toEqual([]);
  });
  afterAll(async () => {
    await replica.stop();
    await api.stop();
    await receiver.stop();
    clients.remove();
  });

  const as = ({ token }: Session) => api.client.as(token);

  it('tell of a new user, its verification and its session', async () => {
    const opened = await openVerification(api);
    const { body } = await replica.client.post(`${opened.path}/check`, { code: opened.code });
    const user_id = body.user.id;
    const created = await receiver.next('user.created', { user_id });
    const approved = await receiver.next('verification.approved', { user_id });
    const began = await receiver.next('session.created', { user_id });
    const phone_number = expect.stringMatching(MASKED);
    expect(created.data).toEqual({ user_id, phone_number });
    expect(approved.data).toEqual({
      ...{ verification_id: opened.id, purpose: 'sign_in', channel: 'sms' },
      ...{ user_id, session_id: body.session_id, phone_number },
    });
    expect(began.data).toEqual({ user_id, session_id: body.session_id, method: 'sms', phone_number });
    const events = [created, approved, began];
    expect(new Set(events.map(({ id }) => id)).size).toBe(3);
    for (const { id, timestamp, raw } of events) {
      expect([id, timestamp]).toEqual([expect.stringMatching(UUID), ANY_TIME]);
      expect(Object.keys(JSON.parse(raw))).toEqual(['type', 'timestamp', 'data']);
      expect(raw).not.toContain(opened.phone_number.slice(3));
    }
  });

  it('tell of the next sign-in of a user, and of no new user', async () => {
    const { user } = await openSession(api);
    const { path, code } = await openAnother(api, user.phone_number);
    const { body } = await api.client.post(`${path}/check`, { code });
    await receiver.next('session.created', { session_id: body.session_id });
    await receiver.next('verification.approved', { session_id: body.session_id });
    expect(receiver.of('user.created', { user_id: user.id })).toHaveLength(1);
  });

  it('tell of a number that was verified for a client, and of no user', async () => {
    const phone_number = someNumber();
    const members = { purpose: 'verify', phone_number };
    const { id } = (await api.client.post('/v1/verifications', members, shop.basic)).body;
    const code = await api.codeFor(phone_number);
    const checked = await replica.client.post(`/v1/verifications/${id}/check`, { code }, shop.basic);
    expect(checked.status).toBe(200);
    const { data } = await receiver.next('verification.approved', { verification_id: id });
    expect(data).toEqual({
      ...{ verification_id: id, purpose: 'verify', channel: 'sms', client_id: 'shop' },
      phone_number: expect.stringMatching(MASKED),
    });
  });

  it('tell of a sign-up by its number', async () => {
    const phone_number = someNumber();
    await api.client.post('/signup', { phone_number });
    const { body } = await api.client.post('/signup', { phone_number, otp: await api.codeFor(phone_number) });
    const { data } = await receiver.next('verification.approved', { user_id: body.data.id });
    expect(data).toMatchObject({ purpose: 'sign_up', channel: 'sms' });
  });

  it.each<[string, (session: Session) => Promise<unknown>]>([
    ['signed_out', (session) => as(session).delete('/v1/session')],
    ['ended_by_user', (session) => as(session).delete(`/v1/sessions/${session.session_id}`)],
    ['ended_by_user', (session) => as(session).delete('/v1/sessions?include=current')],
    ['ended_by_user', (session) => as(session).delete('/v1/me')],
    [
      'refresh_token_reused',
      async ({ refresh_token }) => {
        await api.client.post('/v1/session/refresh', { refresh_token });
        await api.database.query(`update refresh_tokens set used_at = used_at - interval '1 hour'`);
        await api.client.post('/v1/session/refresh', { refresh_token });
      },
    ],
  ])('tell of a session that ends: %s', async (reason, end) => {
    const session = await openSession(api);
    const { session_id } = session;
    await end(session);
    const { data } = await receiver.next('session.ended', { session_id });
    expect(data).toEqual({ user_id: session.user.id, session_id, reason });
  });

  it('tell of a session that an operator ends by a command', async () => {
    const { session_id } = await openSession(api);
    expect((await latchkey(['sessions', 'end', session_id])).code).toBe(0);
    const { data } = await receiver.next('session.ended', { session_id });
    expect(data.reason).toBe('ended_by_operator');
  });

  it('tell of a change of number: its verification, and the other sessions', async () => {
    const session = await openSession(api);
    const { path: again, code: againCode } = await openAnother(api, session.user.phone_number);
    const { body: other } = await api.client.post(`${again}/check`, { code: againCode });
    const phone_number = someNumber();
    const request = () => as(session).post('/v1/me/phone_number', { phone_number });
    const change: OpenedVerification = await openAnother(api, phone_number, request);
    expect((await as(session).post(`${change.path}/check`, { code: change.code })).status).toBe(200);
    const ended = await receiver.next('session.ended', { session_id: other.session_id });
    expect(ended.data.reason).toBe('number_changed');
    const { data } = await receiver.next('verification.approved', { verification_id: change.id });
    expect(data).toEqual({
      ...{ verification_id: change.id, purpose: 'change_number', channel: 'sms' },
      ...{ user_id: session.user.id, session_id: session.session_id },
      phone_number: expect.stringMatching(MASKED),
    });
    expect(receiver.of('session.created', { session_id: session.session_id })).toHaveLength(1);
  });

  it('tell of a message that does not arrive, once', async () => {
    await api.client.send('PUT', '/dev/inbox/plan', JSON.stringify({ outcome: 'fail' }), {
      'content-type': 'application/json',
    });
    const { body } = await api.client.post('/v1/verifications', { phone_number: someNumber() });
    const verification_reference = body.id.slice(0, 8);
    const { data, raw } = await receiver.next('message.failed', { verification_reference });
    expect(data).toEqual({
      ...{ verification_reference, channel: 'sms', provider: 'inbox', status: 'undelivered' },
      ...{ reason: 'unreachable', code: '30003', phone_number: expect.stringMatching(MASKED) },
    });
    expect(raw).not.toContain(body.id);
    await api.client.send('PUT', '/dev/inbox/plan', JSON.stringify({ outcome: 'deliver' }), {
      'content-type': 'application/json',
    });
    await openSession(api);
    expect(receiver.of('message.failed', { verification_reference })).toHaveLength(1);
  });

  it('are stored without whole numbers until the receiver takes them, and no longer', async () => {
    receiver.reply = () => ({ status: 503 });
    const session = await openSession(api);
    const { id: user_id, phone_number } = session.user;
    const isOf = ({ data }: { data: object }) => (data as { user_id: string }).user_id === user_id;
    await waitFor(
      'the failed tries',
      async () => (await waiting(api)).filter((row) => isOf(row) && row.tries > 0).length === 3,
    );
    const rows = (await waiting(api)).filter(isOf);
    const keys = api.nest.get(Keys);
    expect(rows.map(({ phone_sealed }) => keys.unseal(phone_sealed as string))).toEqual(
      Array(3).fill(phone_number),
    );
    const stores = [
      await dumpPostgres(api.database),
      mode.redis ? await dumpRedis(api.config.redisUrl as string) : '',
    ];
    expect(stores.join()).not.toContain(phone_number.slice(3));
    receiver.reply = () => ({ status: 200 });
    await receiver.next('session.created', { user_id });
    await waitFor('the end of the rows', async () => !(await waiting(api)).some(isOf));
  });

  it('are tried again with the same id until the receiver takes them', async () => {
    const seen = new Map<string, number>();
    receiver.reply = ({ id }) => {
      seen.set(id, (seen.get(id) ?? 0) + 1);
      return { status: seen.get(id) === 4 ? 204 : 500 };
    };
    const { user } = await openSession(api);
    const { id } = await receiver.next('user.created', { user_id: user.id }, 30_000);
    expect(seen.get(id)).toBe(4);
  });

  it('are no longer tried after 410', async () => {
    receiver.reply = ({ type }) => ({ status: type === 'user.created' ? 410 : 204 });
    const before = await outcome('gone');
    const { user } = await openSession(api);
    await receiver.next('session.created', { user_id: user.id });
    await waitFor('the end of the event', async () => (await outcome('gone')) === before + 1);
    await waitFor('the end of the rows', async () => (await waiting(api)).length === 0);
  });

  it('are given up after the last try', async () => {
    receiver.reply = ({ type }) => ({ status: type === 'user.created' ? 400 : 204 });
    const before = [await outcome('given_up'), await outcome('failed')] as [number, number];
    const { user } = await openSession(api);
    const isOurs = ({ type, data }: ReceivedEvent) => type === 'user.created' && data.user_id === user.id;
    await waitFor('the end of the event', async () => (await outcome('given_up')) === before[0] + 1, 40_000);
    expect(receiver.received.filter(isOurs)).toHaveLength(8);
    expect(await outcome('failed')).toBe(before[1] + 7);
    expect(await waiting(api)).toEqual([]);
  });

  it('reach the receiver although it hangs for others, and do not delay codes', async () => {
    receiver.reply = ({ type }) => (type === 'session.created' ? 'hang' : { status: 204 });
    // Each leaves one event that hangs.
    for (let i = 0; i < 4; i += 1) await openSession(api);
    const { user } = await openSession(api);
    await receiver.next('user.created', { user_id: user.id });
    receiver.reply = () => ({ status: 204 });
    await waitFor('the end of the rows', async () => (await waiting(api)).length === 0, 30_000);
  });

  it('are tried at once when an operator asks for it', async () => {
    await api.database.query(
      `insert into webhook_messages (type, data, expires_at, tries, next_try_at)
       values ('user.created', '{"user_id": "later"}', now() + interval '1 day', 6, now() + interval '10 hours')`,
    );
    const { code, output } = await latchkey(['webhooks', 'retry']);
    expect([code, output]).toEqual([0, expect.stringMatching(/\b1 event is due now\n$/)]);
    await receiver.next('user.created', { user_id: 'later' });
  });

  async function outcome(name: string): Promise<number> {
    const { body } = await api.client.get('/metrics');
    return Number(
      new RegExp(`^latchkey_webhooks_total\\{outcome="${name}"\\} (\\d+)`, 'm').exec(body)?.[1] ?? 0,
    );
  }

  function latchkey(args: string[]) {
    const { redisUrl } = api.config;
    const stores = { DATABASE_URL: api.database.url, ...(redisUrl && { REDIS_URL: redisUrl }) };
    return ServerProcess.spawn('cli', { ...stores, ...receiver.variables, SECRET }, args).ended();
  }
});

describe.each(mainlyOn('postgres'))('Webhooks on $name, with other settings', (mode) => {
  const { start } = abuseApis(mode);
  let receiver: WebhookReceiver;

  beforeEach(async () => {
    receiver = await WebhookReceiver.start();
  });
  afterEach(() => receiver.stop());

  async function withApi(variables: Record<string, string>, work: (api: RunningApi) => Promise<void>) {
    const api = await startApi(mode, variables);
    await work(api).finally(() => api.stop());
  }

  it('have whole numbers where the operator wants it', async () => {
    await withApi({ ...receiver.variables, WEBHOOK_NUMBERS: 'on' }, async (api) => {
      const { user } = await openSession(api);
      for (const type of ['user.created', 'verification.approved', 'session.created'])
        expect((await receiver.next(type)).data.phone_number).toBe(user.phone_number);
    });
  });

  it('of a verification without an account are stored before it is approved, or it stays pending', async () => {
    const file = new ClientsFile();
    const shop = file.add('shop', ['verify']);
    const variables = { ...receiver.variables, ...USUAL_DATABASE_TIMEOUT, CLIENTS_FILE: file.path };
    await withApi(variables, async (api) => {
      const phone_number = someNumber();
      const members = { purpose: 'verify', phone_number, client_address: '192.0.2.1' };
      const { body } = await api.client.post('/v1/verifications', members, shop.basic);
      const code = await api.codeFor(phone_number);
      const check = () => api.client.post(`/v1/verifications/${body.id}/check`, { code }, shop.basic);
      expect((await whileLocked(api.database, 'webhook_messages', check)).status).toBe(503);
      expect((await api.client.get(`/v1/verifications/${body.id}`)).body.status).toBe('pending');
      expect((await check()).status).toBe(200);
      await receiver.next('verification.approved', { verification_id: body.id });
    });
    file.remove();
  });

  it('are signed with both secrets of a rotation', async () => {
    const WEBHOOK_SECRET = `${newWebhookSecret()}, ${receiver.secret}`;
    await withApi({ ...receiver.variables, WEBHOOK_SECRET }, async (api) => {
      await openSession(api);
      await receiver.next('session.created');
      expect(receiver.signatures.map((each) => each.length)).toEqual([2, 2, 2]);
    });
  });

  it('are not sent to private addresses, and wait for a correction', async () => {
    await withApi({ ...receiver.variables, WEBHOOK_ALLOW_PRIVATE: 'off' }, async (api) => {
      await openSession(api);
      await waitFor(
        'the tries',
        async () => (await waiting(api)).filter(({ tries }) => tries > 0).length === 3,
      );
      expect(receiver.received).toEqual([]);
    });
  });

  it('are not stored where they are off', async () => {
    await withApi({}, async (api) => {
      const { token } = await openSession(api);
      await api.client.as(token).delete('/v1/session');
      expect(await waiting(api)).toEqual([]);
    });
  });

  it('tell of a cap that is nearly reached, once', async () => {
    await withApi({ ...receiver.variables, SPEND_CAP_PER_COUNTRY: '0.08' }, async (api) => {
      for (let i = 0; i < 10; i += 1)
        await api.client.post('/v1/verifications', { phone_number: someNumber() });
      const { data } = await receiver.next('spending.warning');
      expect(data).toEqual({ cap: 'spend_per_country', country: 'US', share: 0.8 });
      expect(receiver.of('spending.warning')).toHaveLength(1);
    });
  });

  it('tell of a block', async () => {
    const api = await start({ ...receiver.variables, TRUSTED_PROXIES: '127.0.0.1' });
    const later = api.travel();
    // None of the codes is entered: each message is a loss after a minute.
    const ask = (i: number) => {
      const phone_number = `+1212555${String(i).padStart(4, '0')}`;
      const from = { 'x-forwarded-for': `203.${i % 200}.${i % 7}.${i % 251}` };
      later(70_000);
      return api.client.post('/v1/verifications', { phone_number }, from);
    };
    for (let i = 1; i <= 100; i += 1) await ask(i);
    const { data } = await receiver.next('block.tripped');
    expect(data).toEqual({
      block_id: 'numbers_10k:+1212555',
      ...{ kind: 'numbers_10k', action: 'block', until: ANY_TIME, enforced: true },
    });
  });
});

describe('latchkey webhooks test', () => {
  let receiver: WebhookReceiver;

  beforeEach(async () => {
    receiver = await WebhookReceiver.start();
  });
  afterEach(() => receiver.stop());

  const run = (variables: Record<string, string>) =>
    ServerProcess.spawn('cli', variables, ['webhooks', 'test']).ended();

  it('sends one event, and prints the answer', async () => {
    const { code, output } = await run(receiver.variables);
    expect([code, output]).toEqual([0, 'the receiver answered 204\n']);
    expect(receiver.received).toEqual([
      {
        id: expect.stringMatching(UUID),
        type: 'webhook.test',
        timestamp: ANY_TIME,
        data: {},
        raw: expect.any(String),
        status: 204,
      },
    ]);
  });

  it.each<[string, (own: WebhookReceiver) => Record<string, string>, number, RegExp]>([
    ['a receiver that refuses it', () => ({}), 1, /^latchkey: the receiver answered 500\n$/],
    [
      'a wrong secret',
      () => ({ WEBHOOK_SECRET: newWebhookSecret() }),
      1,
      /^latchkey: the receiver answered 401\n$/,
    ],
    [
      'a private address',
      () => ({ WEBHOOK_ALLOW_PRIVATE: 'off' }),
      1,
      /private address: set WEBHOOK_ALLOW_PRIVATE=on/,
    ],
    [
      'no listener',
      () => ({ WEBHOOK_URL: 'http://u:p@127.0.0.1:9/?k=s' }),
      1,
      /^latchkey: no answer: ECONNREFUSED\n$/,
    ],
    [
      'no setting',
      () => ({ WEBHOOK_URL: '', WEBHOOK_SECRET: '' }),
      78,
      /^latchkey: WEBHOOK_URL is not set\n$/,
    ],
  ])('fails with %s', async (_, variables, expected, message) => {
    receiver.reply = () => ({ status: 500 });
    const { code, output } = await run({ ...receiver.variables, ...variables(receiver) });
    expect(code).toBe(expected);
    expect(output).toMatch(message);
  });
});
