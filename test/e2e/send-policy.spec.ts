import { type AbuseApi, abuseApis, NO_COOL_DOWN } from '../support/abuse-api.js';
import type { Answer } from '../support/client.js';
import { freshDatabase, mainlyOn } from '../support/databases.js';
import { FakeTwilio } from '../support/fake-twilio.js';
import { whileLocked } from '../support/outages.js';
import { someNumber } from '../support/phone-numbers.js';
import { solve } from '../support/proof.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';
import { ServerProcess } from '../support/server-process.js';
import { OPERATOR_TOKEN, SECRET, throughTwilio, USUAL_DATABASE_TIMEOUT } from '../support/settings.js';
import { codeIn, untilCooledDown } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const MINUTE = 60_000;

describe.each(mainlyOn('postgres'))('The send policy on $name', (mode) => {
  const { start, replica } = abuseApis(mode);

  it('stops an attack on one block of numbers near its allowed loss, and still serves known numbers', async () => {
    const twilio = await FakeTwilio.start();
    const api = await start({ ...throughTwilio(twilio), TRUSTED_PROXIES: '127.0.0.1' });
    const later = api.travel();
    const from = (i: number) => ({ 'x-forwarded-for': `203.${i % 200}.${i % 7}.${i % 251}` });
    const ask = (phone_number: string, i: number, more: object = {}) =>
      api.client.post('/v1/verifications', { phone_number, ...more }, from(i));
    const target = (i: number) => `+1212555${String(i).padStart(4, '0')}`;

    const owner = target(9_999);
    const { body: opened } = await ask(owner, 0);
    const code = await waitFor('the code', () => codeIn(twilio.messages[0]));
    expect((await api.check(opened, code)).status).toBe(200);

    let refused = 0;
    for (let i = 1; i <= 300; i += 1) {
      const { status, body } = await ask(target(i), i);
      if (status !== 202) refused += 1;
      if (status !== 202) expect(body).toMatchObject({ status: 429, code: 'sends_suspended' });
      later(1_000);
    }
    await waitFor('the messages', () => twilio.messages.length === 301 - refused);
    // 20 messages may await their codes at once, and four more because the owner used a code.
    expect(twilio.messages.length - 1).toBeLessThanOrEqual(20 + 4);

    const operator = api.client.as(OPERATOR_TOKEN);
    const { body } = await operator.get('/v1/operations/blocks');
    expect(body.blocks).toEqual([
      expect.objectContaining({ id: 'numbers_10k:+1212555', action: 'block', since: expect.any(String) }),
    ]);
    const restarted = await replica(api);
    expect((await restarted.client.as(OPERATOR_TOKEN).get('/v1/operations/blocks')).body).toEqual(body);
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

  it('requires a proof of work and accepts each once, for its number only', async () => {
    const api = await start();
    const later = api.travel();
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
    expect((await untilCooledDown(() => ask(number, proof))).body.code).toBe('proof_of_work_required');
    const stale = solve((await ask(another)).body.challenge);
    later(6 * MINUTE);
    for (let i = 0; i < 4; i += 1) await ask(someNumber());
    expect((await ask(another, stale)).status).toBe(403);
  });

  it('contests a number after three messages whose code was not entered, until one is', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor' });
    const number = someNumber();
    const isContested = async () => {
      const operator = api.client.as(OPERATOR_TOKEN);
      return (await operator.post('/v1/operations/numbers/lookup', { phone_number: number })).body.contested;
    };
    for (let i = 0; i < 2; i += 1) await api.open(number);
    expect(await isContested()).toBe(false);
    const { verification, code } = await api.openAndRead(number);
    expect(await isContested()).toBe(true);
    expect((await api.check(verification, code)).status).toBe(200);
    await waitFor('the end of the contest', async () => !(await isContested()));
  });

  it('steps up known and unknown numbers of one address alike', async () => {
    const api = await start();
    const number = someNumber();
    const { body: owner } = await api.signIn(number);
    for (let i = 0; i < 12; i += 1)
      await api.client.post('/v1/verifications', { phone_number: someNumber() });
    const ask = (more: object) => api.request(number, more);
    const [known, unknown] = [await ask({}), await api.request(someNumber())];
    expect([known.status, unknown.status]).toEqual([403, 403]);
    expect(Object.keys(known.body)).toEqual(Object.keys(unknown.body));
    expect((await ask({ device_token: owner.device_token })).status).toBe(202);
  });

  it('answers alike for known and unknown numbers in a blocked range', async () => {
    const api = await start({
      ...{ TRUSTED_PROXIES: '127.0.0.1', LIMIT_COOL_DOWN: '1h', LIMIT_SENDS_PER_ADDRESS: '3/10m' },
    });
    let networks = 0;
    const freshAddress = () => {
      networks += 1;
      return `198.${networks >> 8}.${networks & 255}.1`;
    };
    const ask = (phone_number: string, address: string, altcha?: string) =>
      api.client.post('/v1/verifications', { phone_number, altcha }, { 'x-forwarded-for': address });
    const target = (i: number) => `+1212555${String(i).padStart(4, '0')}`;
    const known = times(4, (i) => target(9_990 + i));
    const unknown = times(4, (i) => target(8_990 + i));
    for (const number of known) {
      const { body } = await ask(number, freshAddress());
      expect((await api.check(body, await api.codeFor(number))).status).toBe(200);
    }
    const coolingUnknown = unknown[0] as string;
    expect((await ask(coolingUnknown, freshAddress())).status).toBe(202);
    for (let i = 0; i < 200; i += 1) if ((await ask(target(i), freshAddress())).status === 429) break;
    expect((await ask(unknown[1] as string, freshAddress())).body.code).toBe('sends_suspended');

    /** Returns numbers of other blocks in turns, of which each may have few unsettled messages. */
    const elsewhere = () => `+1628${200 + (lastElsewhere++ % 700)}5550`;
    let lastElsewhere = 0;
    /** Exhausts an address by messages to other blocks. Returns its refusal. */
    const exhaust = async (address: string) => {
      for (let i = 0; i < 10; i += 1) {
        const answer = await ask(elsewhere(), address);
        if (answer.status !== 202) return answer.body;
      }
    };
    const limited = freshAddress();
    expect(await exhaust(limited)).toMatchObject({ limit: 'sends_per_address' });
    const network = freshAddress().replace(/1$/, '');
    for (let i = 1; i < 30; i += 1)
      if ((await exhaust(`${network}${i}`)).code === 'proof_of_work_required') break;
    const stepped = `${network}200`;
    expect((await ask(elsewhere(), stepped)).body.code).toBe('proof_of_work_required');

    // The known numbers cool down since they signed in, and so does the unknown one that got a message.
    const shape = ({ status, headers, body }: Answer) => {
      const { instance, challenge, ...rest } = body;
      return { status, rest, members: Object.keys(body), bytes: headers.get('content-length') };
    };
    for (const address of [limited, stepped, freshAddress()]) {
      const answers = [known[0], known[1], coolingUnknown].map((number) => ask(number as string, address));
      const [one, other, stranger] = (await Promise.all(answers)).map(shape);
      expect(one?.status).not.toBe(202);
      const withoutTime = (answer = one) => ({
        ...answer,
        rest: { ...answer?.rest, detail: '', retry_after: 0 },
      });
      expect(withoutTime(other)).toEqual(withoutTime(one));
      expect(withoutTime(stranger)).toEqual(withoutTime(one));
    }
    const fresh = unknown[2] as string;
    expect((await ask(fresh, limited)).body.limit).toBe('sends_per_address');
    const demanded = (await ask(fresh, stepped)).body;
    expect(demanded.code).toBe('proof_of_work_required');
    const proof = solve(demanded.challenge);
    // A refused request does not use its proof up.
    for (let i = 0; i < 3; i += 1) {
      const { status, body } = await ask(fresh, stepped, proof);
      expect({ status, code: body.code }).toEqual({ status: 429, code: 'sends_suspended' });
    }
    expect((await ask(fresh, stepped, proof)).body.limit).toBe('sends_per_address');
  });

  it('stores nothing for refused requests but one record of their address', async () => {
    const api = await start();
    while ((await api.request(someNumber())).status === 202);
    const records = async () => {
      const rows = await api.database.query(
        `select key from abuse_states union all select id from verifications`,
      );
      return rows.length + (await api.redisKeys());
    };
    const before = await records();
    const answers = await mapInFlight(times(300, someNumber), (number) => api.request(number));
    expect(new Set(answers.map(({ body }) => body.code))).toEqual(new Set(['proof_of_work_required']));
    expect((await records()) - before).toBeLessThanOrEqual(1);
  });

  it('rejects numbers of other countries and line types', async () => {
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

  it('never exceeds the spending cap under parallel requests to two replicas', async () => {
    const one = await start({
      SPEND_CAP_PER_DAY: '0.5',
      SPEND_CAP_PER_COUNTRY: '100%',
      BREAKER_MODE: 'monitor',
    });
    const two = await replica(one);
    const answers = await mapInFlight(
      times(200, someNumber),
      (phone_number, i) => (i % 2 ? one : two).client.post('/v1/verifications', { phone_number }),
      BURST,
    );
    const sent = answers.filter(({ status }) => status === 202);
    const suspended = answers.filter(({ body }) => body.code === 'sends_suspended');
    // The last tenth is reserved for known devices.
    expect(sent).toHaveLength(Math.floor((0.9 * 0.5) / 0.0083));
    expect(suspended).toHaveLength(200 - sent.length);
    expect(suspended[0]?.body.retry_after).toBeLessThanOrEqual(86_400);
  });

  it('reserves the last tenth of the cap for known devices', async () => {
    const limits = { LIMIT_COOL_DOWN: '1h', LIMIT_SENDS_PER_ADDRESS: '6/10m' };
    const api = await start({ SPEND_CAP_PER_DAY: '0.05', SPEND_CAP_PER_COUNTRY: '0.05', ...limits });
    const number = someNumber();
    const { body: owner } = await api.signIn(number);
    const ask = (phone_number: string, more: object = {}) =>
      api.client.post('/v1/verifications', { phone_number, ...more });
    for (let i = 0; i < 4; i += 1) expect((await ask(someNumber())).status).toBe(202);
    // What the cap refuses does not count at the address.
    for (let i = 0; i < 5; i += 1) expect((await ask(someNumber())).body.code).toBe('sends_suspended');
    expect((await ask(number, { device_token: owner.device_token })).status).toBe(202);
  });

  it('leaves half of the cap to other countries, unless only one is allowed', async () => {
    const share = { SPEND_CAP_PER_DAY: '0.2', BREAKER_MODE: 'monitor' };
    const askUntilRefused = async (api: AbuseApi, from: number) => {
      for (let i = from; ; i += 1) {
        const { status, body } = await api.client.post('/v1/verifications', { phone_number: someNumber() });
        if (status !== 202) return { code: body.code, accepted: i - from };
      }
    };
    const api = await start(share);
    // 90 % of half a cap of 0.2, at 0.0083 a message: a tenth is reserved for known devices.
    expect(await askUntilRefused(api, 0)).toEqual({ code: 'sends_suspended', accepted: 10 });
    const french = await api.client.post('/v1/verifications', { phone_number: '+33612345678' });
    expect(french.status).toBe(202);
    const alone = await start({ ...share, ALLOWED_COUNTRIES: 'US' });
    expect(await askUntilRefused(alone, 0)).toEqual({ code: 'sends_suspended', accepted: 21 });
  });

  it('spends nothing on a country that Twilio does not serve, and refuses known and unknown numbers alike', async () => {
    const twilio = await FakeTwilio.start();
    const api = await start({
      ...throughTwilio(twilio),
      TRUSTED_PROXIES: '127.0.0.1',
      SPEND_CAP_PER_DAY: '100',
    });
    const later = api.travel();
    const ask = (phone_number: string, i: number) =>
      api.client.post(
        '/v1/verifications',
        { phone_number },
        { 'x-forwarded-for': `203.${i % 250}.${i % 7}.1` },
      );
    const target = (i: number) => `+92301${String(1_000_000 + i * 3_571).padStart(7, '0')}`;
    const owner = target(2_500);
    const { body: opened } = await ask(owner, 0);
    const code = await waitFor('the code', () => codeIn(twilio.messages[0]));
    expect((await api.check(opened, code)).status).toBe(200);
    later(25 * 60 * MINUTE);

    twilio.answerAll({ refuse: 21408 });
    const answers: Answer[] = [];
    for (let i = 0; i < 500; i += 20)
      answers.push(...(await Promise.all(times(20, (n) => ask(target(i + n), i + n)))));
    const accepted = answers.filter(({ status }) => status === 202);
    expect(accepted.length).toBeGreaterThan(0);
    expect(accepted.length).toBeLessThan(200);
    await waitFor('the refusals', () => twilio.requests.length === 1 + accepted.length);
    twilio.answerAll('accept');
    const [known, unknown] = [await ask(owner, 1), await ask(target(2_501), 1)];
    expect(known.body).toMatchObject({ status: 422, code: 'phone_number_not_allowed' });
    const { instance: _, ...problem } = known.body;
    expect(unknown.body).toMatchObject(problem);

    await waitFor('the refunds', async () => {
      const rows = await api.database.query<{ state: string }>(
        "select state from abuse_states where key like 'spending:%'",
      );
      const spending = rows.map(({ state }) => JSON.parse(state).countries.PK as number);
      // What the owner's own message cost.
      return spending.every((spent) => spent === 0 || spent === 360_000);
    });
    const customer = await ask('+33612345678', 2);
    expect(customer.status).toBe(202);
    await waitFor("the customer's message", () => twilio.messagesTo('+33612345678').length === 1);
    later(10 * MINUTE);
    expect((await ask(target(2_502), 3)).status).toBe(202);
    await twilio.stop();
  });

  it('limits the known devices of a number together', async () => {
    const api = await start({ ...NO_COOL_DOWN, BREAKER_MODE: 'monitor', LIMIT_SENDS_PER_NUMBER: '2/10m' });
    const number = someNumber();
    const { body: one } = await api.signIn(number);
    const { body: two } = await api.signIn(number);
    const ask = ({ device_token }: { device_token: string }) => api.request(number, { device_token });
    expect((await ask(one)).status).toBe(202);
    expect((await ask(two)).status).toBe(202);
    expect((await ask(one)).body.limit).toBe('sends_per_number');
    expect((await ask(two)).body.limit).toBe('sends_per_number');
  });

  it('answers 503 to everyone while the states of the abuse policy cannot be read', async () => {
    const api = await start(USUAL_DATABASE_TIMEOUT);
    const number = someNumber();
    const verification = await api.open(number);
    const code = await api.codeFor(number);
    await whileLocked(api.database, 'abuse_states', async () => {
      expect((await api.request(someNumber())).body.code).toBe('unavailable');
      expect((await api.check(verification, code)).body.code).toBe('unavailable');
      expect((await api.check(verification, 'wrong')).body.code).toBe('unavailable');
    });
    const { body } = await api.client.get(`/v1/verifications/${verification.id}`);
    expect(body).toMatchObject({ status: 'pending', attempts_left: 5 });
    expect((await api.check(verification, code)).status).toBe(200);
  });
});

describe.each(mainlyOn('redis'))(
  'The send policy on $name, after a restart and the loss of Redis',
  (mode) => {
    const { start, replica } = abuseApis(mode);

    it('keeps cool-downs and blocks', async () => {
      const api = await start({ LIMIT_COOL_DOWN: '1h', TRUSTED_PROXIES: '127.0.0.1' });
      const later = api.travel();
      const target = (i: number) => `+1212555${1_000 + i}`;
      const ask = ({ client }: AbuseApi, i: number) =>
        client.post('/v1/verifications', { phone_number: target(i) }, { 'x-forwarded-for': `203.${i}.0.1` });
      for (let i = 0; i < 100; i += 1) {
        await ask(api, i);
        later(5_000);
      }
      const { body } = await api.client.as(OPERATOR_TOKEN).get('/v1/operations/blocks');
      expect(body.blocks).toMatchObject([{ id: 'numbers_10k:+1212555', action: 'block' }]);

      await api.loseRedis();
      const restarted = await replica(api);
      expect((await restarted.client.as(OPERATOR_TOKEN).get('/v1/operations/blocks')).body).toEqual(body);
      expect((await ask(restarted, 100)).body.code).toBe('sends_suspended');
      expect((await ask(restarted, 0)).body).toMatchObject({ code: 'rate_limited', limit: 'cool_down' });
    });
  },
);

describe.each(mainlyOn('postgres'))('The list of blocks on $name', (mode) => {
  const { start } = abuseApis(mode);

  it('requires the operator token, and does not exist when none is configured', async () => {
    const api = await start();
    const user = await api.signIn(someNumber());
    const path = '/v1/operations/blocks';
    expect((await api.client.get(path)).body.code).toBe('unauthenticated');
    expect((await api.client.as(user.body.token).get(path)).body.code).toBe('invalid_token');
    expect((await api.client.as(`${OPERATOR_TOKEN}x`).get(path)).body.code).toBe('invalid_token');
    expect((await api.client.as(OPERATOR_TOKEN).get('/protected')).body.code).toBe('invalid_token');
    expect((await api.client.as(OPERATOR_TOKEN).get(path)).body).toEqual({ blocks: [] });
    expect((await api.client.as(OPERATOR_TOKEN).delete(path)).status).toBe(204);
    const without = await start({ OPERATOR_TOKEN: '' });
    expect((await without.client.as(OPERATOR_TOKEN).get(path)).status).toBe(404);
    expect((await without.client.get(path)).status).toBe(404);
    for (const id of ['%00', 'a%00b', 'gauge', 'number:x', '..%2f', encodeURIComponent('address:🦊')])
      expect((await api.client.as(OPERATOR_TOKEN).delete(`${path}/${id}`)).status).toBe(404);
  });
});

describe('The log of a server', () => {
  it('names each refusal without whole phone numbers', async () => {
    const database = await freshDatabase();
    const server = await ServerProcess.api({
      DATABASE_URL: database.url,
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
    await database.drop();
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
