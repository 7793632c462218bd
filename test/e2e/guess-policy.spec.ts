import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { abuseApis, NO_COOL_DOWN } from '../support/abuse-api.js';
import { mainlyOn, POSTGRES_ALONE } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { withClient } from '../support/postgres.js';
import { times } from '../support/repeat.js';
import { waitFor } from '../support/wait.js';

const MINUTE = 60_000;
const DAY = 86_400_000;

describe.each(mainlyOn('redis'))('The guess policy on $name', (mode) => {
  const { start, replica } = abuseApis(mode);

  it('makes codes longer for unknown devices and accepts them in any notation', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor' });
    const later = api.travel();
    const number = someNumber();
    expect((await api.open(number)).code_length).toBe(6);
    await api.guess(number, 5);
    later(10 * MINUTE);
    expect((await api.open(number)).code_length).toBe(8);
    for (let i = 0; i < 3; i += 1) {
      later(DAY);
      await api.guess(number, 5);
    }
    later(DAY);
    const { verification, code } = await api.openAndRead(number);
    expect(verification.code_length).toBe(10);
    expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{10}$/);
    const typed = ` ${code.slice(0, 5)}-${code.slice(5)} `.toLowerCase().replaceAll('0', 'o');
    expect(await api.check(verification, typed)).toMatchObject({ status: 200 });
  });

  it('compares nine guesses at short codes a year, over any number of verifications', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor' });
    const number = someNumber();
    const verifications = [];
    for (let i = 0; i < 3; i += 1) verifications.push(await api.open(number));
    const answers = [];
    for (const verification of verifications)
      for (let i = 0; i < 4; i += 1) answers.push(await api.check(verification, '000000'));
    const statuses = answers.map(({ status }) => status);
    expect(statuses).toEqual([...times(9, () => 401), 410, 410, 410]);
    expect((await api.open(number)).code_length).toBe(8);
  });

  it('keeps guesses at a test number out of the gauge, also when it signs in', async () => {
    const testNumber = '+15005550006';
    const api = await start({ ...NO_COOL_DOWN, TEST_PHONE_NUMBERS: `${testNumber}=246813` });
    const numbersOnGauge = async () => {
      const [row] = await api.database.query<{ state: string }>(
        `select state from abuse_states where key = 'gauge:US'`,
      );
      return JSON.parse(row?.state ?? '{"days":[]}').days.map(([, numbers]: [number, number]) => numbers);
    };
    await api.guess(someNumber(), 2);
    expect(await numbersOnGauge()).toEqual([1]);

    const verification = await api.open(testNumber);
    for (const code of ['000000', '000001']) expect((await api.check(verification, code)).status).toBe(401);
    expect((await api.check(verification, '246813')).status).toBe(200);
    await waitFor('the record of the success', async () => {
      const records = await api.database.query<{ state: string }>(
        `select state from abuse_states where key like 'number:%'`,
      );
      return records.filter(({ state }) => JSON.parse(state).open.length === 0).length === 1;
    });
    expect(await numbersOnGauge()).toEqual([1]);
  });

  it('delays unknown devices beyond a budget, but never a known device', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor' });
    const number = someNumber();
    const { body: owner } = await api.signIn(number);
    for (let i = 0; i < 2; i += 1) await api.guess(number, 5);

    const refused = await api.guess(number, 2);
    expect(refused).toMatchObject({ status: 429, body: { limit: 'guesses_per_number' } });
    expect(refused.body.retry_after).toBeGreaterThan(900);
    expect(refused.headers.get('retry-after')).toBe(String(refused.body.retry_after));

    const again = await api.open(number);
    expect(await api.check(again, 'wrong')).toMatchObject({ status: 429 });
    const { device_token } = owner;
    expect((await api.check(again, 'wrong', { device_token })).status).toBe(401);
    const known = await api.open(number, { device_token });
    expect(known.code_length).toBe(6);
    expect((await api.check(known, 'wrong', { device_token })).status).toBe(401);
    expect((await api.signIn(number, { device_token })).status).toBe(200);
    expect(await api.check(again, 'wrong')).toMatchObject({ status: 429 });
  });

  it('remembers guesses after a restart and the loss of Redis', async () => {
    const api = await start(NO_COOL_DOWN);
    const number = someNumber();
    await api.guess(number, 5);
    await api.loseRedis();
    const restarted = await replica(api);
    const later = restarted.travel();
    later(10 * MINUTE);
    expect((await restarted.open(number)).code_length).toBe(8);
  });

  it('refunds wrong codes that precede a success', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor' });
    const later = api.travel();
    const number = someNumber();
    for (let i = 0; i < 4; i += 1) {
      const { verification, code } = await api.openAndRead(number);
      for (let wrong = 0; wrong < 3; wrong += 1) await api.check(verification, 'wrong');
      expect((await api.check(verification, code)).status).toBe(200);
    }
    later(10 * MINUTE);
    expect((await api.open(number)).code_length).toBe(6);
  });

  it('only records guesses beyond the budgets in monitor mode', async () => {
    const api = await start({ LIMIT_MODE: 'monitor', BREAKER_MODE: 'monitor' });
    const number = someNumber();
    const verifications = [];
    for (let i = 0; i < 4; i += 1) verifications.push(await api.open(number));
    const answers = [];
    for (const verification of verifications)
      for (let i = 0; i < 4; i += 1) answers.push(await api.check(verification, '000000'));
    expect(answers.map(({ status }) => status)).toEqual(times(16, () => 401));
    const { body: metrics } = await api.client.get('/metrics');
    expect(metrics).toMatch(/abuse_events_total\{event="would_refuse",name="guesses_per_number"\} 7\b/);
  });

  it('makes codes longer in the country whose numbers are guessed at from many networks, and warns', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-policy-'));
    const file = join(folder, 'policy.json');
    await writeFile(file, JSON.stringify({ guesses: { gaugeNumbers: 8, gaugeNetworks: 4 } }));
    const api = await start({
      ...{ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor', TRUSTED_PROXIES: '127.0.0.1', POLICY_FILE: file },
    });
    await rm(folder, { recursive: true });
    const guessFrom = async (network: number) => {
      const from = { 'x-forwarded-for': `203.0.${network}.1` };
      const { body } = await api.request(someNumber(), {}, from);
      for (let i = 0; i < 3; i += 1)
        await api.client.post(`/v1/verifications/${body.id}/check`, { code: '000000' }, from);
    };
    const lengthOf = async (number: string) => (await api.open(number)).code_length;
    const raisedBy = /abuse_events_total\{event="warning",name="gauge"\} (\d+)/;
    const warnings = async () => raisedBy.exec((await api.client.get('/metrics')).body)?.[1];

    for (let i = 0; i < 30; i += 1) await guessFrom(0);
    expect(await lengthOf(someNumber())).toBe(6);
    expect(await warnings()).toBeUndefined();
    for (let network = 1; network <= 30; network += 1) await guessFrom(network);
    expect(await lengthOf(someNumber())).toBe(8);
    expect(await lengthOf('+447400123456')).toBe(6);
    expect(await warnings()).toBe('1');
  });

  describe('at /signup', () => {
    const OWNER = '192.0.2.1';
    const attackers = times(30, (i) => `203.0.${i}.9`);
    let api: Awaited<ReturnType<typeof start>>;

    beforeEach(async () => {
      api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor', TRUSTED_PROXIES: '127.0.0.1' });
    });

    const post = (body: object, address: string, cookie = '') =>
      api.client.post('/signup', body, { 'x-forwarded-for': address, cookie });
    const messagesTo = async (number: string) =>
      (await api.client.get(`/dev/inbox/messages?to=${encodeURIComponent(number)}`)).body;

    /** Requests a code. Returns the cookie and the newest code. */
    async function firstHalf(phone_number: string, address: string, more: object = {}) {
      const before = (await messagesTo(phone_number)).length;
      const { status, headers } = await post({ phone_number, ...more }, address);
      expect(status).toBe(200);
      const setCookie = headers.get('set-cookie') as string;
      expect(setCookie).toMatch(
        /^latchkey_signup=[\w-]{43}; Max-Age=3600; Path=\/signup; HttpOnly; SameSite=Lax$/,
      );
      const [{ code }] = await waitFor('the code', async () => {
        const messages = await messagesTo(phone_number);
        return messages.length > before && messages;
      });
      return { cookie: setCookie.split(';')[0] as string, code: code as string };
    }

    it('lets the owner in after any number of wrong codes of attackers, again and again', async () => {
      const phone_number = someNumber();
      for (const [ownersAddress, hasCookie] of [
        [OWNER, false],
        ['198.51.100.1', true],
        [OWNER, true],
      ] as const) {
        const { cookie, code } = await firstHalf(phone_number, OWNER);
        expect(code).toHaveLength(6);
        const answers = [];
        for (const attacker of attackers)
          for (let i = 0; i < 3; i += 1) answers.push(await post({ phone_number, otp: '000000' }, attacker));
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
        // Attackers have no attempts left, so not even the right code is compared.
        expect((await post({ phone_number, otp: code }, attackers[29] as string)).status).toBe(401);
        const { status } = await post({ phone_number, otp: code }, ownersAddress, hasCookie ? cookie : '');
        expect(status).toBe(200);
      }
    });

    it('gives a client behind the address of another its own attempts by its cookie', async () => {
      const phone_number = someNumber();
      const { cookie, code } = await firstHalf(phone_number, OWNER);
      for (let i = 0; i < 6; i += 1) await post({ phone_number, otp: '000000' }, OWNER);
      expect((await post({ phone_number, otp: code }, OWNER)).status).toBe(401);
      expect((await post({ phone_number, otp: code }, OWNER, 'latchkey_signup=forged')).status).toBe(401);
      expect((await post({ phone_number, otp: code }, OWNER, cookie)).status).toBe(200);
    });

    it('accepts the code from another address without a cookie', async () => {
      const phone_number = someNumber();
      const { code } = await firstHalf(phone_number, OWNER);
      expect((await post({ phone_number, otp: '000000' }, '198.51.100.1')).status).toBe(401);
      expect((await post({ phone_number, otp: code }, '198.51.100.1')).status).toBe(200);
    });

    it('sends another code to a client that has used its attempts, while the first still works for others', async () => {
      const phone_number = someNumber();
      const owner = await firstHalf(phone_number, OWNER);
      const attacker = await firstHalf(phone_number, '203.0.113.9');
      expect(attacker.code).toBe(owner.code);
      const guess = (otp: string) => post({ phone_number, otp }, '203.0.113.9', attacker.cookie);
      for (let i = 0; i < 6; i += 1) await guess('000000');
      expect((await guess(attacker.code)).status).toBe(401);
      const again = await firstHalf(phone_number, '203.0.113.9');
      expect(again.code).not.toBe(owner.code);
      expect((await post({ phone_number, otp: owner.code }, OWNER)).status).toBe(200);
      expect((await post({ phone_number, otp: again.code }, '203.0.113.9')).status).toBe(200);
    });

    it('compares five of 60 parallel guesses of a client on two replicas, and signs one caller in', async () => {
      const other = await replica(api);
      const phone_number = someNumber();
      const { cookie, code } = await firstHalf(phone_number, OWNER);
      const guess = (i: number, otp: string) =>
        (i % 2 ? api : other).client.post(
          '/signup',
          { phone_number, otp },
          { cookie, 'x-forwarded-for': OWNER },
        );
      const wrong = await Promise.all(times(60, (i) => guess(i, '000000')));
      // A busy machine may refuse some of them before they are counted.
      for (const { status } of wrong) expect([401, 503]).toContain(status);
      const [row] = await api.database.query<{ state: string }>(
        `select state from abuse_states where key like 'number:%'`,
      );
      expect(JSON.parse(row?.state ?? '{}').open).toMatchObject([{ guesses: 5 }]);
      expect((await guess(0, code)).status).toBe(401);
      const right = await Promise.all(
        times(20, (i) =>
          (i % 2 ? api : other).client.post(
            '/signup',
            { phone_number, otp: code },
            { 'x-forwarded-for': OWNER },
          ),
        ),
      );
      expect(right.filter(({ status }) => status === 200)).toHaveLength(1);
    });

    it('takes the name from the client that typed the code', async () => {
      const mallory = { name: 'Mallory' };
      const nameOf = async (more: object, ownersFirstHalf: object | null, withCookie: boolean) => {
        const phone_number = someNumber();
        let { cookie, code } = await firstHalf(phone_number, '203.0.113.9', mallory);
        if (ownersFirstHalf) ({ cookie, code } = await firstHalf(phone_number, OWNER, ownersFirstHalf));
        await firstHalf(phone_number, '203.0.113.10', mallory);
        const own = ownersFirstHalf && withCookie ? cookie : '';
        const { status, body } = await post({ phone_number, otp: code, ...more }, OWNER, own);
        expect(status).toBe(200);
        return body.data.name;
      };
      expect(await nameOf({}, { name: 'Ada' }, true)).toBe('Ada');
      expect(await nameOf({}, { name: 'Ada' }, false)).toBe('Ada');
      expect(await nameOf({ name: 'Grace' }, { name: 'Ada' }, true)).toBe('Grace');
      expect(await nameOf({ name: 'Grace' }, null, false)).toBe('Grace');
      expect(await nameOf({}, {}, true)).toBeNull();
      expect(await nameOf({}, null, false)).toBeNull();
    });

    it('rejects names that carry a link or reorder text, on every route that takes one', async () => {
      const { id } = await api.open(someNumber());
      for (const name of ['Pay Mallory: evil.example', '\u202Egnp', 'x'.repeat(65)]) {
        for (const [path, body] of [
          ['/signup', { phone_number: someNumber() }],
          ['/signup', { phone_number: someNumber(), otp: '000000' }],
          ['/v1/verifications', { phone_number: someNumber() }],
          [`/v1/verifications/${id}/check`, { code: '000000' }],
        ] as const) {
          const answer = await api.client.post(path, { ...body, name });
          expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '/name' }] } });
          expect(answer.body.errors[0].detail).toMatch(/^must /);
        }
      }
    });
  });

  it('does not refund guesses from other addresses at the same sign-up', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor', TRUSTED_PROXIES: '127.0.0.1' });
    const number = someNumber();
    const signUp = (more: object, address: string) =>
      api.client.post('/signup', { phone_number: number, ...more }, { 'x-forwarded-for': address });
    const requestCode = async (round: number) => {
      expect((await signUp({}, '192.0.2.1')).status).toBe(200);
      return waitFor('the code', async () => {
        const { body } = await api.client.get('/dev/inbox/messages');
        return body.length === round && body[0].code;
      });
    };
    const statuses: number[] = [];
    for (let round = 1; round <= 3; round += 1) {
      const code = await requestCode(round);
      for (let i = 0; i < 4; i += 1) statuses.push((await signUp({ otp: '000000' }, '203.0.113.9')).status);
      expect((await signUp({ otp: code }, '192.0.2.1')).status).toBe(200);
    }
    expect(new Set(statuses)).toEqual(new Set([401]));
    // Clients that did not request the code have four guesses a year, which change nothing for the owner.
    await waitFor('the record of the last success', async () => {
      const [row] = await api.database.query<{ state: string }>(
        `select state from abuse_states where key like 'number:%'`,
      );
      const { open, foreign } = JSON.parse(row?.state ?? '{}');
      return open?.length === 0 && foreign.length === 4;
    });
    expect((await api.open(number)).code_length).toBe(6);
    await waitFor('its message', async () => (await api.client.get('/dev/inbox/messages')).body.length === 4);

    // The owner, too, is such a client from another address and without the cookie of the first half.
    const code = await requestCode(5);
    expect((await signUp({ otp: code }, '192.0.2.77')).status).toBe(401);
    expect((await signUp({ otp: code }, '192.0.2.1')).status).toBe(200);
  });

  it('treats the verification of a revoked device as one of an unknown device', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor' });
    const number = someNumber();
    const { body: owner } = await api.signIn(number);
    for (let i = 0; i < 2; i += 1) await api.guess(number, 5);
    const opened = await api.open(number, { device_token: owner.device_token });
    expect((await api.check(opened, 'wrong')).status).toBe(401);
    expect((await api.client.as(owner.token).delete('/v1/devices')).status).toBe(204);
    // Unknown devices have used up their guesses at short codes.
    expect((await api.check(opened, 'wrong')).status).toBe(410);
  });

  it('recognises a device by its cookie, for its own number only, until it is revoked', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor' });
    const [number, another] = [someNumber(), someNumber()];
    const { body, headers } = await api.signIn(number);
    const cookie = headers.get('set-cookie') as string;
    expect(cookie).toMatch(/^latchkey_device=[\w-]{72}; Max-Age=34560000; Path=\/; HttpOnly; SameSite=Lax$/);
    const later = api.travel();
    for (const attacked of [number, another]) await api.guess(attacked, 5);
    later(10 * MINUTE);

    const lengthFor = async (phone_number: string, device_token?: string, headers = {}) => {
      const { body } = await api.request(phone_number, { device_token }, headers);
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
    const { body: fresh } = await api.signIn(number);
    expect(await lengthFor(number, fresh.device_token)).toBe(6);
  });

  it('revokes the devices of a recycled number, also the one that signs in, which becomes known again', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor' });
    const later = api.travel();
    const number = someNumber();
    const { body: former } = await api.signIn(number);
    await api.database.query(`update users set last_used_at = now() - interval '181 days'`);
    const { verification, code } = await api.openAndRead(number);
    const { body: holder } = await api.check(verification, code, { device_token: former.device_token });
    expect(holder.user.id).not.toBe(former.user.id);
    for (let i = 0; i < 2; i += 1) await api.guess(number, 5);
    later(10 * MINUTE);
    const lengthFor = async ({ device_token }: { device_token?: string }) =>
      (await api.open(number, { device_token })).code_length;
    expect(await lengthFor({})).toBe(8);
    expect(await lengthFor(former)).toBe(8);
    expect(await lengthFor(holder)).toBe(6);
    // The guesses of the former device do not count for the new one.
    const idOf = ({ device_token }: { device_token: string }) =>
      Buffer.from(device_token, 'base64url').subarray(0, 16);
    expect(idOf(holder)).not.toEqual(idOf(former));
  });

  it('keeps the attempts of a known device at /signup from unknown devices', async () => {
    const api = await start({ BREAKER_MODE: 'monitor', LIMIT_COOL_DOWN: '1h' });
    const number = someNumber();
    const { body: owner } = await api.signIn(number);
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

describe('A success on Postgres alone', () => {
  const { start } = abuseApis(POSTGRES_ALONE);
  type Server = Awaited<ReturnType<typeof start>>;

  const messagesVerified = ({ database }: Server, expected: number) =>
    waitFor('the record of the success', async () => {
      const [row] = await database.query<{ verified: number }>(
        `select (state::jsonb -> 'verified')::float8 as verified from abuse_states where key = 'system'`,
      );
      return row && Math.round(row.verified) === expected;
    });

  it('is answered before it is recorded, and recorded later', async () => {
    const api = await start();
    const { verification, code } = await api.openAndRead(someNumber());
    const answer = await withClient(api.database.url, async (locker) => {
      await locker.query(`begin; select from abuse_states where key = 'system' for update`);
      return api.check(verification, code);
    });
    expect(answer).toMatchObject({ status: 200, body: { device_token: expect.any(String) } });
    await messagesVerified(api, 1);
  });

  it('counts for a message that was added after the verification was read', async () => {
    const api = await start();
    const { verification, code } = await api.openAndRead(someNumber());
    const answer = await withClient(api.database.url, async (locker) => {
      // As a resend does, while the attempt waits for the row.
      await locker.query('begin');
      await locker.query(
        `update verifications set tickets = tickets || tickets, delivery_version = delivery_version + 1 where id = $1`,
        [verification.id],
      );
      const checked = api.check(verification, code);
      await waitFor('the attempt', async () => {
        const waiting = await api.database.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return waiting.length > 0;
      });
      await locker.query('commit');
      return checked;
    });
    expect(answer.status).toBe(200);
    await messagesVerified(api, 2);
  });
});
