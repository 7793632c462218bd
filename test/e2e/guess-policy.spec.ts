import { abuseApis, NO_COOL_DOWN } from '../support/abuse-api.js';
import { freshRedis, modes } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { times } from '../support/repeat.js';
import { waitFor } from '../support/wait.js';

const MINUTE = 60_000;
const DAY = 86_400_000;

describe.each(modes)('The guess policy on $name', (mode) => {
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
    const guessesOnGauge = async () => {
      const [row] = await api.database.query<{ state: string }>(
        `select state from abuse_states where key = 'gauge'`,
      );
      return JSON.parse(row?.state ?? '{"days":[]}').days.map(([, guesses]: [number, number]) => guesses);
    };
    await api.guess(someNumber(), 2);
    expect(await guessesOnGauge()).toEqual([2]);

    const verification = await api.open(testNumber);
    for (const code of ['000000', '000001']) expect((await api.check(verification, code)).status).toBe(401);
    expect((await api.check(verification, '246813')).status).toBe(200);
    expect(await guessesOnGauge()).toEqual([2]);
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
    if (mode.redis) await freshRedis();
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

  it('does not refund guesses from other addresses at the same sign-up', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor', TRUSTED_PROXIES: '127.0.0.1' });
    const number = someNumber();
    const signUp = (more: object, address: string) =>
      api.client.post('/signup', { phone_number: number, ...more }, { 'x-forwarded-for': address });
    const statuses: number[] = [];
    for (let round = 1; round <= 2; round += 1) {
      expect((await signUp({}, '192.0.2.1')).status).toBe(200);
      const code = await waitFor('the code', async () => {
        const { body } = await api.client.get('/dev/inbox/messages');
        return body.length === round && body[0].code;
      });
      for (let i = 0; i < 4; i += 1) statuses.push((await signUp({ otp: '000000' }, '203.0.113.9')).status);
      expect((await signUp({ otp: code }, '192.0.2.1')).status).toBe(200);
    }
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect((await api.open(number)).code_length).toBe(8);
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
