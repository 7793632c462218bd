import { pino } from 'pino';
import { InboxProvider, SendDeferred } from '#messaging';
import { LINE_OPTIONS } from '#program';
import { startApiOn } from '../support/api.js';
import { freshDatabase, freshRedis, modes } from '../support/databases.js';
import { dumpPostgres, dumpRedis } from '../support/dumps.js';
import { whileLocked, whileMissing } from '../support/outages.js';
import { someNumber } from '../support/phone-numbers.js';
import { rawGet, sendRaw } from '../support/raw-http.js';
import { SECRET } from '../support/settings.js';
import { openVerification, wrongCode } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';
import { newWebhookSecret } from '../support/webhook-receiver.js';

/** A receiver that nothing listens for: its events stay stored, and their failures are logged. */
const WEBHOOK_PASSWORD = 'password-of-the-receiver';
const WEBHOOKS = {
  WEBHOOK_URL: `http://hook:${WEBHOOK_PASSWORD}@127.0.0.1:9/`,
  WEBHOOK_SECRET: newWebhookSecret(),
  WEBHOOK_ALLOW_PRIVATE: 'on',
  WEBHOOK_NUMBERS: 'on',
};

const JSON_TYPE = { 'content-type': 'application/json' };

describe.each(modes)('A server on $name', (mode) => {
  const secrets = {
    numbers: [''],
    codes: [''],
    tokens: [''],
    secrets: [SECRET, WEBHOOK_PASSWORD, WEBHOOKS.WEBHOOK_SECRET.slice('whsec_'.length)],
  };
  const kinds = Object.keys(secrets) as (keyof typeof secrets)[];
  const ids: string[] = [];
  const seen = { logs: '', metrics: '', Postgres: '', Redis: '' };
  const places = Object.keys(seen) as (keyof typeof seen)[];

  /** Uses the server in every way, failures included, and collects everything that it logged and stored. */
  beforeAll(async () => {
    const database = await freshDatabase();
    const redisUrl = mode.redis ? await freshRedis() : undefined;
    const lines: string[] = [];
    const { mixin } = LINE_OPTIONS;
    const log = pino({ level: 'trace', mixin }, { write: (line) => void lines.push(line) });
    // Unlike ten digits, six occur by chance.
    const variables = { DATABASE_URL: database.url, REDIS_URL: redisUrl, OTP_LENGTH: '10', ...WEBHOOKS };
    const { nest, client, codeFor } = await startApiOn({ ...variables, LIMIT_COOL_DOWN: '1s' }, log);

    const opened = await openVerification({ client, codeFor }, { name: 'Ada' });
    const { path, phone_number, code } = opened;
    await client.post(`${path}/check`, { code: wrongCode(code) });
    await client.post(`${path}/resend`);
    const { body: session } = await client.post(`${path}/check`, { code });
    await client.post(`${path}/check`, { code });
    await client.as(session.token).get('/protected');
    await client.as(session.token).post('/signup', { phone_number, otp: code });
    await client.get(`/nowhere/${phone_number}?code=${code}&token=${session.token}`);
    await client.get(`/v1/verifications/${code}`);
    await client.send('POST', '/signup', `{ "phone_number": "${phone_number}", "otp": ${code}x }`, JSON_TYPE);
    await client.post('/signup', { phone_number, [code]: session.token });
    await sendRaw(client, `GET ${phone_number} ${code}\r\n\r\n`);
    await sendRaw(
      client,
      rawGet('/health/live', `Authorization: Bearer ${session.token}`, `X-${code}: ${'a'.repeat(20_000)}`),
    );

    const other = someNumber();
    await client.post('/signup', { phone_number: other, name: 'Ada' });
    const otp = await codeFor(other);
    await whileMissing(database, 'tokens', () => client.post('/signup', { phone_number: other, otp }));
    await whileLocked(database, 'users', () => client.post('/signup', { phone_number: other, otp }));
    await whileMissing(database, 'users', () => client.as(session.token).get('/protected'));
    const { body: signedUp } = await client.post('/signup', { phone_number: other, otp });

    const { refresh_token } = session;
    const { body: refreshed } = await client.post('/v1/session/refresh', { refresh_token });
    await client.as(refreshed.token).get('/v1/sessions');
    await database.query(
      `update refresh_tokens set used_at = now() - interval '1 hour' where used_at < now()`,
    );
    await client.post('/v1/session/refresh', { refresh_token });

    const inbox = nest.get(InboxProvider);
    const send = jest.spyOn(inbox, 'send').mockRejectedValue(new SendDeferred('busy', 60_000));
    const waiting = await client.post('/v1/verifications', { phone_number: someNumber() });
    await waitFor('the first attempt', () => send.mock.calls.length > 0);
    const [message] = send.mock.calls.map(([sent]) => sent);

    secrets.numbers = [phone_number, other, message?.to as string].map((number) => number.slice(2));
    secrets.codes = [code, otp, message?.code as string];
    secrets.tokens = [session, signedUp, refreshed].flatMap((each) => [each.token, each.refresh_token]);
    ids.push(path.slice('/v1/verifications/'.length), waiting.body.id);
    await waitFor('a webhook that fails', () => lines.some((line) => line.includes('webhook_failed')));
    seen.Postgres = await dumpPostgres(database);
    if (redisUrl) seen.Redis = await dumpRedis(redisUrl);
    seen.metrics = (await client.get('/metrics')).body;
    await nest.close();
    seen.logs = lines.join('');
    await database.drop();
  }, 60_000);
  afterAll(() => jest.restoreAllMocks());

  it('fills every place that the other tests search', () => {
    expect(seen.logs).toContain('/v1/verifications/:id/check');
    expect(seen.logs).toMatch(/"level":50.*does not exist/);
    expect(seen.logs).toMatch(/"level":40.*postgres is unavailable/);
    expect(seen.logs).toMatch(/"level":40.*refresh_token_reused/);
    expect(seen.metrics).toContain('route="/v1/verifications/:id/check"');
    expect(seen.logs).toMatch(/"level":40.*webhook_failed.*ECONNREFUSED/);
    expect(seen.Postgres).toContain('session.created');
    expect(seen.Postgres).toContain('Ada');
    const store = mode.redis ? seen.Redis : seen.Postgres;
    expect(store).toContain('send-code');
    for (const id of ids) expect(store).toContain(id);
    expect(kinds.map((kind) => secrets[kind].filter(Boolean).length)).toEqual([3, 3, 6, 3]);
  });

  it.each(kinds.flatMap((kind) => places.map((place) => [kind, place] as const)))(
    'puts no %s into %s',
    (kind, place) => {
      for (const form of secrets[kind].flatMap(formsOf)) expect(seen[place]).not.toContain(form);
    },
  );

  it('puts no verification ids into logs and metrics', () => {
    for (const id of ids) expect(seen.logs + seen.metrics).not.toContain(id);
  });
});

/** Returns a text as it is, in hexadecimal, and in base64 at each of its three alignments. */
function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]);
    const whole = shifted.subarray(offset === 0 ? 0 : 3, shifted.length - (shifted.length % 3));
    return whole.toString('base64');
  });
  return [
    secret,
    bytes.toString('hex'),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ];
}
