import { abuseApis } from '../support/abuse-api.js';
import type { Answer } from '../support/client.js';
import { mainlyOn } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';

describe.each(mainlyOn('redis'))('The request limits on $name', (mode) => {
  const { start } = abuseApis(mode);

  it('count two hundred forged forwarding headers as one client', async () => {
    const api = await start({ LIMIT_SENDS_PER_ADDRESS: '30/10m', BREAKER_MODE: 'monitor' });
    const ask = (forged: string) => {
      const headers = { 'x-forwarded-for': forged, forwarded: `for=${forged}`, 'x-real-ip': forged };
      return api.client.post('/v1/verifications', { phone_number: someNumber() }, headers);
    };
    const answers = await mapInFlight(
      times(200, (i) => `10.${i}.0.1`),
      ask,
      BURST,
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(30);
    const { body } = answers.find(({ status }) => status === 429) as Answer;
    expect(body).toMatchObject({ code: 'rate_limited', limit: 'sends_per_address' });
  });

  it('trust configured proxies, from right to left, and count an IPv6 /64 as one client', async () => {
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
    expect(await from('203.0.113.77:1111')).toBe(202);
    expect(await from('203.0.113.77:2222')).toBe(429);
    expect(await from('[2001:db8:1:2::9]:443')).toBe(429);
  });

  it('limit the codes that a client checks', async () => {
    const api = await start({ LIMIT_CHECKS_PER_ADDRESS: '3/10m' });
    const id = 'A'.repeat(22);
    const answers = [];
    for (let i = 0; i < 3; i += 1) answers.push((await api.check({ id }, '000000')).status);
    const otp = { phone_number: someNumber(), otp: '000000' };
    expect(answers).toEqual([404, 404, 404]);
    expect((await api.check({ id }, '000000')).body.limit).toBe('checks_per_address');
    expect((await api.client.post('/signup', otp)).body.limit).toBe('checks_per_address');
  });

  it('record no guess for a check that they refuse', async () => {
    const api = await start({ LIMIT_CHECKS_PER_ADDRESS: '2/10m' });
    const opened = await api.open(someNumber());
    const guesses = () => api.database.query(`select state from abuse_states where key like 'number:%'`);
    for (let i = 0; i < 2; i += 1) expect((await api.check(opened, 'wrong')).status).toBe(401);
    const before = await guesses();
    expect((await api.check(opened, 'wrong')).body.limit).toBe('checks_per_address');
    expect(before).toHaveLength(1);
    expect(await guesses()).toEqual(before);
  });

  it('only count refusals in monitor mode', async () => {
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
