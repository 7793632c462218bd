import { Clock } from '#abuse';
import { type RunningApi, SECRET, someNumber, startApi, startReplica } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { freshRedis, type Mode, modes } from '../support/databases.js';
import { FakeTwilio } from '../support/fake-twilio.js';
import { whileLocked } from '../support/outages.js';
import { solve } from '../support/proof.js';
import { ServerProcess, throughTwilio } from '../support/server-process.js';
import { waitFor } from '../support/wait.js';

const OPERATOR = 'a-token-for-operators';
const MINUTE = 60_000;
const DAY = 86_400_000;

/** The policy as it comes, but for what would make a test wait. */
const STRICT = { LIMIT_COOL_DOWN: '1s', BREAKER_MODE: 'enforce', OPERATOR_TOKEN: OPERATOR };
const times = <T>(n: number, what: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => what(i));

describe.each(modes)('The abuse policy on $name', (mode) => {
  const running: RunningApi[] = [];
  /** How many messages each number was promised in this test. */
  const promised = new Map<string, number>();
  beforeEach(() => promised.clear());
  afterEach(async () => {
    jest.restoreAllMocks();
    for (const api of running.splice(0).reverse()) await api.stop();
  });

  async function start(variables: Record<string, string> = {}): Promise<RunningApi> {
    const api = await startApi(mode, { ...STRICT, ...variables });
    running.push(api);
    return api;
  }

  /** Makes it later for the abuse policy, and for nothing else. */
  function travel(api: RunningApi): (ms: number) => void {
    let ahead = 0;
    jest.spyOn(api.nest.get(Clock), 'now').mockImplementation(() => Date.now() + ahead);
    return (ms) => {
      ahead += ms;
    };
  }

  async function open(api: RunningApi, phone_number: string, more: object = {}): Promise<Answer['body']> {
    const { status, body } = await openOnce(api, phone_number, more);
    expect(body).toMatchObject({ phone_number });
    expect(status).toBe(202);
    return body;
  }

  /** Waits for the cool-down, which takes real time. */
  async function openOnce(
    api: RunningApi,
    phone_number: string,
    more: object,
    headers = {},
  ): Promise<Answer> {
    const answer = await waitFor('the end of a cool-down', async () => {
      const answer = await api.client.post('/v1/verifications', { phone_number, ...more }, headers);
      return answer.body.limit !== 'cool_down' && answer;
    });
    if (answer.status === 202) promised.set(phone_number, (promised.get(phone_number) ?? 0) + 1);
    return answer;
  }

  const check = (api: RunningApi, { id }: { id: string }, code: string, more: object = {}) =>
    api.client.post(`/v1/verifications/${id}/check`, { code, ...more });

  async function replica(api: RunningApi): Promise<RunningApi> {
    const another = await startReplica(api);
    running.push(another);
    return another;
  }

  async function signIn(api: RunningApi, phone_number: string, more: object = {}): Promise<Answer> {
    const { verification, code } = await openAndRead(api, phone_number, more);
    const answer = await check(api, verification, code, more);
    expect(answer.body).toMatchObject({ token_type: 'Bearer' });
    return answer;
  }

  /** A verification and its own code, not that of an earlier one. */
  async function openAndRead(api: RunningApi, phone_number: string, more: object = {}) {
    const verification = await open(api, phone_number, more);
    const messages = await waitFor('the message', async () => {
      const path = `/dev/inbox/messages?to=${encodeURIComponent(phone_number)}`;
      const { body } = await api.client.get(path);
      return body.length === promised.get(phone_number) && body;
    });
    return { verification, code: messages[0].code as string };
  }

  /** So many wrong guesses at one verification of the number. */
  async function guess(api: RunningApi, phone_number: string, guesses: number): Promise<Answer> {
    const verification = await open(api, phone_number);
    const answers = [];
    for (let i = 0; i < guesses; i += 1) answers.push(await check(api, verification, 'wrong'));
    return answers.at(-1) as Answer;
  }

  describe('against guessing', () => {
    it('makes codes longer for strangers, and reads them however they are typed', async () => {
      const api = await start({ BREAKER_MODE: 'monitor' });
      const later = travel(api);
      const number = someNumber();
      expect((await open(api, number)).code_length).toBe(6);
      await guess(api, number, 5);
      later(10 * MINUTE);
      expect((await open(api, number)).code_length).toBe(8);
      for (let i = 0; i < 3; i += 1) {
        later(DAY);
        await guess(api, number, 5);
      }
      later(DAY);
      const { verification, code } = await openAndRead(api, number);
      expect(verification.code_length).toBe(10);
      expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{10}$/);
      const typed = ` ${code.slice(0, 5)}-${code.slice(5)} `.toLowerCase().replaceAll('0', 'o');
      expect(await check(api, verification, typed)).toMatchObject({ status: 200 });
    });

    it('compares nine short guesses a year, however many verifications are open', async () => {
      const api = await start({ BREAKER_MODE: 'monitor' });
      const number = someNumber();
      const verifications = [];
      for (let i = 0; i < 3; i += 1) verifications.push(await open(api, number));
      const answers = [];
      for (const verification of verifications)
        for (let i = 0; i < 4; i += 1) answers.push(await check(api, verification, '000000'));
      const statuses = answers.map(({ status }) => status);
      expect(statuses).toEqual([...times(9, () => 401), 410, 410, 410]);
      expect((await open(api, number)).code_length).toBe(8);
    });

    it('delays strangers beyond a budget, and never a known device, whatever else is tried', async () => {
      const api = await start({ BREAKER_MODE: 'monitor' });
      const number = someNumber();
      const { body: owner } = await signIn(api, number);
      for (let i = 0; i < 2; i += 1) await guess(api, number, 5);

      const refused = await guess(api, number, 2);
      expect(refused).toMatchObject({ status: 429, body: { limit: 'guesses_per_number' } });
      expect(refused.body.retry_after).toBeGreaterThan(900);
      expect(refused.headers.get('retry-after')).toBe(String(refused.body.retry_after));

      const again = await open(api, number);
      expect(await check(api, again, 'wrong')).toMatchObject({ status: 429 });
      const { device_token } = owner;
      expect((await check(api, again, 'wrong', { device_token })).status).toBe(401);
      const known = await open(api, number, { device_token });
      expect(known.code_length).toBe(6);
      expect((await check(api, known, 'wrong', { device_token })).status).toBe(401);
      expect((await signIn(api, number, { device_token })).status).toBe(200);
      expect(await check(api, again, 'wrong')).toMatchObject({ status: 429 });
    });

    it('remembers guesses over a restart and the loss of Redis', async () => {
      const api = await start();
      const number = someNumber();
      await guess(api, number, 5);
      if (mode.redis) await freshRedis();
      const restarted = await replica(api);
      const later = travel(restarted);
      later(10 * MINUTE);
      expect((await open(restarted, number)).code_length).toBe(8);
    });

    it('forgives what was typed wrong on the way to success', async () => {
      const api = await start({ BREAKER_MODE: 'monitor' });
      const later = travel(api);
      const number = someNumber();
      for (let i = 0; i < 4; i += 1) {
        const { verification, code } = await openAndRead(api, number);
        for (let wrong = 0; wrong < 3; wrong += 1) await check(api, verification, 'wrong');
        expect((await check(api, verification, code)).status).toBe(200);
      }
      later(10 * MINUTE);
      expect((await open(api, number)).code_length).toBe(6);
    });

    it('forgives the owner nothing that others guessed at the same sign-up', async () => {
      const api = await start({ BREAKER_MODE: 'monitor', TRUSTED_PROXIES: '127.0.0.1' });
      const number = someNumber();
      const signUp = (more: object, address: string) =>
        api.client.post('/signup', { phone_number: number, ...more }, { 'x-forwarded-for': address });
      const statuses: number[] = [];
      for (let round = 1; round <= 2; round += 1) {
        await waitFor('the end of a cool-down', async () => (await signUp({}, '192.0.2.1')).status === 200);
        const code = await waitFor('the code', async () => {
          const { body } = await api.client.get('/dev/inbox/messages');
          return body.length === round && body[0].code;
        });
        for (let i = 0; i < 4; i += 1) statuses.push((await signUp({ otp: '000000' }, '203.0.113.9')).status);
        expect((await signUp({ otp: code }, '192.0.2.1')).status).toBe(200);
      }
      expect(new Set(statuses)).toEqual(new Set([401]));
      expect((await open(api, number)).code_length).toBe(8);
    });

    it('takes a verification from a device that is revoked', async () => {
      const api = await start({ BREAKER_MODE: 'monitor' });
      const number = someNumber();
      const { body: owner } = await signIn(api, number);
      for (let i = 0; i < 2; i += 1) await guess(api, number, 5);
      const opened = await open(api, number, { device_token: owner.device_token });
      expect((await check(api, opened, 'wrong')).status).toBe(401);
      expect((await api.client.as(owner.token).delete('/v1/devices')).status).toBe(204);
      // It is a stranger's now, and strangers have used up what they may guess at short codes.
      expect((await check(api, opened, 'wrong')).status).toBe(410);
    });

    it('knows a device by its cookie, on its own number only, until it is revoked', async () => {
      const api = await start({ BREAKER_MODE: 'monitor' });
      const [number, another] = [someNumber(), someNumber()];
      const { body, headers } = await signIn(api, number);
      const cookie = headers.get('set-cookie') as string;
      expect(cookie).toMatch(
        /^latchkey_device=[\w-]{72}; Max-Age=34560000; Path=\/; HttpOnly; SameSite=Lax$/,
      );
      const later = travel(api);
      for (const attacked of [number, another]) await guess(api, attacked, 5);
      later(10 * MINUTE);

      const lengthFor = async (phone_number: string, device_token?: string, headers = {}) => {
        const { body } = await openOnce(api, phone_number, { device_token }, headers);
        return body.code_length;
      };
      const { device_token } = body;
      const forged = device_token.slice(0, -2) + (device_token.endsWith('AA') ? 'BB' : 'AA');
      expect(await lengthFor(number)).toBe(8);
      expect(await lengthFor(number, undefined, { cookie: cookie.split(';')[0] as string })).toBe(6);
      expect(await lengthFor(number, device_token)).toBe(6);
      expect(await lengthFor(another, device_token)).toBe(8);
      expect(await lengthFor(number, forged)).toBe(8);
      expect(await lengthFor(number, 'garbage')).toBe(8);

      expect((await api.client.as(body.token).delete('/v1/devices')).status).toBe(204);
      expect(await lengthFor(number, device_token)).toBe(8);
      later(1_000);
      const { body: fresh } = await signIn(api, number);
      expect(await lengthFor(number, fresh.device_token)).toBe(6);
    });

    it('lets no stranger use up what a known device may do at /signup', async () => {
      const api = await start({ BREAKER_MODE: 'monitor', LIMIT_COOL_DOWN: '1h' });
      const number = someNumber();
      const { body: owner } = await signIn(api, number);
      const { device_token } = owner;
      const signUp = (more: object = {}) => api.client.post('/signup', { phone_number: number, ...more });
      expect((await signUp()).body.limit).toBe('cool_down');
      expect((await signUp({ device_token })).status).toBe(200);
      const code = await waitFor('the second code', async () => {
        const { body } = await api.client.get('/dev/inbox/messages');
        return body.length === 2 && body[0].code;
      });
      for (let i = 0; i < 6; i += 1) await signUp({ otp: '000000' });
      expect((await signUp({ otp: code })).status).toBe(401);
      expect((await signUp({ otp: code, device_token })).status).toBe(200);
    });
  });

  describe('against many requests', () => {
    it('takes a thousand forged forwarding headers for one client', async () => {
      const api = await start({ LIMIT_SENDS_PER_ADDRESS: '30/10m', BREAKER_MODE: 'monitor' });
      const answers = await Promise.all(
        times(1_000, (i) => {
          const forged = `10.${i % 256}.${i >> 8}.1`;
          const headers = { 'x-forwarded-for': forged, forwarded: `for=${forged}`, 'x-real-ip': forged };
          return api.client.post('/v1/verifications', { phone_number: someNumber() }, headers);
        }),
      );
      expect(answers.filter(({ status }) => status === 202)).toHaveLength(30);
      const { body } = answers.find(({ status }) => status === 429) as Answer;
      expect(body).toMatchObject({ code: 'rate_limited', limit: 'sends_per_address' });
    });

    it('believes trusted proxies, from right to left, and counts an IPv6 /64 as one client', async () => {
      const proxies = { TRUSTED_PROXIES: '127.0.0.0/8,10.0.0.0/8' };
      const api = await start({ ...proxies, LIMIT_SENDS_PER_ADDRESS: '1/10m', BREAKER_MODE: 'monitor' });
      const from = async (forwarded: string) => {
        const headers = { 'x-forwarded-for': forwarded };
        return (await api.client.post('/v1/verifications', { phone_number: someNumber() }, headers)).status;
      };
      expect(await from('203.0.113.1')).toBe(202);
      expect(await from('198.51.100.9, 203.0.113.1, 10.1.2.3')).toBe(429);
      expect(await from('203.0.113.1, 198.51.100.9')).toBe(202);
      expect(await from('2001:db8:1:2::1')).toBe(202);
      expect(await from('2001:db8:1:2:ffff::2')).toBe(429);
      expect(await from('2001:db8:1:3::1')).toBe(202);
      expect(await from('::ffff:203.0.113.1')).toBe(429);
      expect(await from('nobody')).toBe(202);
      expect(await from('garbage, and more')).toBe(429);
    });

    it('limits how many codes a client tries', async () => {
      const api = await start({ LIMIT_CHECKS_PER_ADDRESS: '3/10m' });
      const id = 'A'.repeat(22);
      const answers = [];
      for (let i = 0; i < 3; i += 1) answers.push((await check(api, { id }, '000000')).status);
      const otp = { phone_number: someNumber(), otp: '000000' };
      expect(answers).toEqual([404, 404, 404]);
      expect((await check(api, { id }, '000000')).body.limit).toBe('checks_per_address');
      expect((await api.client.post('/signup', otp)).body.limit).toBe('checks_per_address');
    });

    it('only watches where it is told to', async () => {
      const monitored = { LIMIT_MODE: 'sends_per_address,cool_down', BREAKER_MODE: 'monitor' };
      const api = await start({ LIMIT_SENDS_PER_ADDRESS: '1/10m', LIMIT_COOL_DOWN: '1h', ...monitored });
      const number = someNumber();
      for (let i = 0; i < 3; i += 1)
        expect((await api.client.post('/v1/verifications', { phone_number: number })).status).toBe(202);
      expect((await api.client.get('/metrics')).body).toMatch(
        /latchkey_abuse_events_total\{event="would_refuse",name="cool_down"\} \d/,
      );
    });
  });

  describe('against pumping', () => {
    it('pays for hardly more than one block is allowed to lose, and spares who signed in before', async () => {
      const twilio = await FakeTwilio.start();
      const api = await start({ ...throughTwilio(twilio), TRUSTED_PROXIES: '127.0.0.1' });
      const later = travel(api);
      const from = (i: number) => ({ 'x-forwarded-for': `203.${i % 200}.${i % 7}.${i % 251}` });
      const ask = (phone_number: string, i: number, more: object = {}) =>
        api.client.post('/v1/verifications', { phone_number, ...more }, from(i));
      const target = (i: number) => `+1212555${String(i).padStart(4, '0')}`;

      const owner = target(9_999);
      const { body: opened } = await ask(owner, 0);
      const code = await waitFor('the code', () => twilio.messages[0]?.body.match(/\d{6}/)?.[0]);
      expect((await check(api, opened, code)).status).toBe(200);

      let refused = 0;
      for (let i = 1; i <= 300; i += 1) {
        const { status, body } = await ask(target(i), i);
        if (status !== 202) refused += 1;
        if (status !== 202) expect(body).toMatchObject({ status: 429, code: 'sends_suspended' });
        later(1_000);
      }
      await waitFor('the messages', () => twilio.messages.length === 301 - refused);
      // As many as may be unsettled at once, and four more because the owner's code was typed in.
      expect(twilio.messages.length - 1).toBeLessThanOrEqual(20 + 4);

      const operator = api.client.as(OPERATOR);
      const { body } = await operator.get('/v1/operations/blocks');
      expect(body.blocks).toEqual([
        expect.objectContaining({ id: 'numbers_10k:+1212555', action: 'block', since: expect.any(String) }),
      ]);
      const restarted = await replica(api);
      expect((await restarted.client.as(OPERATOR).get('/v1/operations/blocks')).body).toEqual(body);
      later(MINUTE);
      expect((await ask(owner, 301)).status).toBe(202);
      expect((await ask('+13105550001', 302)).status).toBe(202);
      expect((await ask(target(400), 303)).body.retry_after).toBeGreaterThan(60);
      const path = `/v1/operations/blocks/${encodeURIComponent('numbers_10k:+1212555')}`;
      expect((await operator.delete(path)).status).toBe(204);
      expect((await operator.delete(path)).status).toBe(404);
      expect((await ask(target(400), 303)).status).toBe(202);
      await twilio.stop();
    });

    it('asks for a proof of work, takes each once, and for its number only', async () => {
      const api = await start();
      const later = travel(api);
      const ask = (phone_number: string, altcha?: string) =>
        api.client.post('/v1/verifications', { phone_number, altcha });
      for (let i = 0; i < 4; i += 1) expect((await ask(someNumber())).status).toBe(202);
      const [number, another] = [someNumber(), someNumber()];
      const { status, body } = await ask(number);
      expect({ status, code: body.code }).toEqual({ status: 403, code: 'proof_of_work_required' });

      const proof = solve(body.challenge);
      expect((await ask(another, proof)).status).toBe(403);
      expect((await ask(number, 'garbage')).status).toBe(403);
      expect((await ask(number, `${proof.slice(0, -8)}AAAAAAA=`)).status).toBe(403);
      expect((await ask(number, proof)).status).toBe(202);
      await waitFor('the end of the cool-down', async () => {
        const again = await ask(number, proof);
        return again.status === 403 && again.body.code === 'proof_of_work_required';
      });
      const stale = solve((await ask(another)).body.challenge);
      later(6 * MINUTE);
      for (let i = 0; i < 4; i += 1) await ask(someNumber());
      expect((await ask(another, stale)).status).toBe(403);
    });

    it('gives one answer for known and unknown numbers to an address that it steps up', async () => {
      const api = await start();
      const known = someNumber();
      const { body: owner } = await signIn(api, known);
      for (let i = 0; i < 12; i += 1)
        await api.client.post('/v1/verifications', { phone_number: someNumber() });
      const ask = (more: object) => openOnce(api, known, more);
      const [stranger, unknown] = [await ask({}), await openOnce(api, someNumber(), {})];
      expect([stranger.status, unknown.status]).toEqual([403, 403]);
      expect(Object.keys(stranger.body)).toEqual(Object.keys(unknown.body));
      expect((await ask({ device_token: owner.device_token })).status).toBe(202);
    });

    it('sends nothing to countries and lines that are not served', async () => {
      const api = await start({ ALLOWED_COUNTRIES: 'US,CA' });
      const statusOf = async (phone_number: string) =>
        (await api.client.post('/v1/verifications', { phone_number })).status;
      expect(await statusOf('+14155550123')).toBe(202);
      expect(await statusOf('+16135550123')).toBe(202);
      for (const refused of ['+447400123456', '+923012345678', '+19005550123', '+18005550123'])
        expect(await statusOf(refused)).toBe(422);
      expect((await api.client.post('/signup', { phone_number: '+447400123456' })).status).toBe(422);
      expect((await api.client.get('/dev/inbox/messages')).body.length).toBeLessThanOrEqual(2);
    });

    it('never spends more than the cap, however parallel on two replicas', async () => {
      const one = await start({ SPEND_CAP_PER_DAY: '0.5', BREAKER_MODE: 'monitor' });
      const two = await replica(one);
      const answers = await Promise.all(
        times(200, (i) =>
          (i % 2 ? one : two).client.post('/v1/verifications', { phone_number: someNumber() }),
        ),
      );
      const sent = answers.filter(({ status }) => status === 202);
      const held = answers.filter(({ body }) => body.code === 'sends_suspended');
      // The last tenth is kept for known devices.
      expect(sent).toHaveLength(Math.floor((0.9 * 0.5) / 0.0083));
      expect(held).toHaveLength(200 - sent.length);
      expect(held[0]?.body.retry_after).toBeLessThanOrEqual(86_400);
    });

    it('keeps the last of a cap for known devices', async () => {
      const api = await start({ SPEND_CAP_PER_DAY: '0.05', LIMIT_COOL_DOWN: '1h' });
      const number = someNumber();
      const { body: owner } = await signIn(api, number);
      const ask = (phone_number: string, more: object = {}) =>
        api.client.post('/v1/verifications', { phone_number, ...more });
      for (let i = 0; i < 4; i += 1) expect((await ask(someNumber())).status).toBe(202);
      expect((await ask(someNumber())).body.code).toBe('sends_suspended');
      expect((await ask(number, { device_token: owner.device_token })).status).toBe(202);
    });

    it('sends no more to the known devices of a number than to one', async () => {
      const api = await start({ BREAKER_MODE: 'monitor', LIMIT_SENDS_PER_NUMBER: '2/10m' });
      const number = someNumber();
      const { body: one } = await signIn(api, number);
      const { body: two } = await signIn(api, number);
      const ask = ({ device_token }: { device_token: string }) => openOnce(api, number, { device_token });
      expect((await ask(one)).status).toBe(202);
      expect((await ask(two)).status).toBe(202);
      expect((await ask(one)).body.limit).toBe('sends_per_number');
      expect((await ask(two)).body.limit).toBe('sends_per_number');
    });

    it('lets nobody through while the ledger does not answer', async () => {
      const api = await start();
      const number = someNumber();
      const verification = await open(api, number);
      const code = await api.codeFor(number);
      await whileLocked(api.database, 'abuse_states', async () => {
        expect((await openOnce(api, someNumber(), {})).body.code).toBe('unavailable');
        expect((await check(api, verification, code)).body.code).toBe('unavailable');
        expect((await check(api, verification, 'wrong')).body.code).toBe('unavailable');
      });
      const { body } = await api.client.get(`/v1/verifications/${verification.id}`);
      expect(body).toMatchObject({ status: 'pending', attempts_left: 5 });
      expect((await check(api, verification, code)).status).toBe(200);
    });
  });

  describe('for operators', () => {
    it('is nothing to see without the credential, and not there without one', async () => {
      const api = await start();
      const user = await signIn(api, someNumber());
      const path = '/v1/operations/blocks';
      expect((await api.client.get(path)).body.code).toBe('unauthenticated');
      expect((await api.client.as(user.body.token).get(path)).body.code).toBe('invalid_token');
      expect((await api.client.as(`${OPERATOR}x`).get(path)).body.code).toBe('invalid_token');
      expect((await api.client.as(OPERATOR).get('/protected')).body.code).toBe('invalid_token');
      expect((await api.client.as(OPERATOR).get(path)).body).toEqual({ blocks: [] });
      expect((await api.client.as(OPERATOR).delete(path)).status).toBe(204);
      const without = await start({ OPERATOR_TOKEN: '' });
      expect((await without.client.as(OPERATOR).get(path)).status).toBe(404);
      expect((await without.client.get(path)).status).toBe(404);
      for (const id of ['%00', 'a%00b', 'gauge', 'number:x', '..%2f', encodeURIComponent('address:🦊')])
        expect((await api.client.as(OPERATOR).delete(`${path}/${id}`)).status).toBe(404);
    });
  });
});

describe('What operators read', () => {
  it('is each refusal by name, with no number in clear', async () => {
    const mode = modes[0] as Mode;
    const api = await startApi(mode);
    const server = await ServerProcess.api({
      DATABASE_URL: api.database.url,
      SECRET,
      LOG_LEVEL: 'info',
      SPEND_CAP_PER_COUNTRY: '0.01',
      SPEND_CAP_PER_DAY: '0.02',
    });
    const number = '+14155559876';
    await server.client.post('/v1/verifications', { phone_number: number });
    await server.client.post('/v1/verifications', { phone_number: number });
    await server.client.post('/v1/verifications', { phone_number: '+442079460958' });
    const { output } = await server.end();
    await api.stop();
    const lines = output.split('\n').filter((line) => line.includes('"context":"Abuse"'));
    const events = lines.map((line) => JSON.parse(line));
    expect(events).toContainEqual(expect.objectContaining({ event: 'warning', name: 'spend_per_country' }));
    expect(events).toContainEqual(
      expect.objectContaining({
        event: 'refused',
        name: 'spend_per_country',
        number: '+14*******76',
        number_hash: expect.stringMatching(/^[\w-]{43}$/),
        address: '127.0.0.1',
      }),
    );
    expect(events).toContainEqual(expect.objectContaining({ event: 'refused', name: 'line_type' }));
    for (const clear of ['4155559876', '2079460958', '559876']) expect(output).not.toContain(clear);
  });
});
