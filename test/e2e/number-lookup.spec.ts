import { pino } from 'pino';
import { LINE_OPTIONS } from '#program';
import { startApiOn } from '../support/api.js';
import { freshDatabase, freshRedis, mainlyOn, type TestDatabase } from '../support/databases.js';
import { dumpPostgres, dumpRedis } from '../support/dumps.js';
import { someNumber } from '../support/phone-numbers.js';
import { ServerProcess } from '../support/server-process.js';
import { GENEROUS, OPERATOR_TOKEN, SECRET } from '../support/settings.js';
import { inboxMessages, openVerification, wrongCode } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const LOOKUP = '/v1/operations/numbers/lookup';
const JSON_TYPE = { 'content-type': 'application/json' };
const HASH = /^[\w-]{43}$/;

describe.each(mainlyOn('redis'))('The lookup of a number on $name', (mode) => {
  let database: TestDatabase;
  let variables: Record<string, string> & { DATABASE_URL: string };
  let server: Awaited<ReturnType<typeof startApiOn>>;
  const lines: string[] = [];

  beforeAll(async () => {
    database = await freshDatabase();
    variables = {
      DATABASE_URL: database.url,
      ...(mode.redis && { REDIS_URL: await freshRedis() }),
      ...GENEROUS,
      OPERATOR_TOKEN,
      LIMIT_SENDS_PER_NUMBER: '5/10m',
      BREAKER_MODE: 'enforce',
    };
    const log = pino({ ...LINE_OPTIONS, level: 'info' }, { write: (line) => void lines.push(line) });
    server = await startApiOn(variables, log);
  });
  afterAll(async () => {
    await server.nest.close();
    await database.drop();
  });

  const lookUp = (phone_number: unknown) => server.client.as(OPERATOR_TOKEN).post(LOOKUP, { phone_number });
  const linesWith = (text: string) =>
    lines.filter((line) => line.includes(text)).map((line) => JSON.parse(line));
  /** Everything but the record of the lookups themselves. */
  const stored = async () => [
    (await database.query('delete from events')) && (await dumpPostgres(database)),
    variables.REDIS_URL ? (await dumpRedis(variables.REDIS_URL)).length : 0,
  ];

  it('answers an unknown number with empty lists', async () => {
    const { status, body } = await lookUp('+1 (415) 555-0199');
    expect(status).toBe(200);
    expect(body).toEqual({
      phone_number: '+14155550199',
      number_hash: expect.stringMatching(HASH),
      country: 'US',
      line: 'mobile',
      country_allowed: true,
      test_number: false,
      user: null,
      verifications: [],
      limits: [],
      guessing: { code_length: 6, guesses: 0, wait_until: null, enforced: true },
      contested: false,
      breaker_enforced: true,
      blocks: [],
      bad_routes: [],
      spending: {
        day: new Date().toISOString().slice(0, 10),
        country: { spent: 0, cap: expect.any(Number) },
        total: { spent: 0, cap: expect.any(Number) },
        not_served_by: [],
      },
    });
  });

  it('shows the verifications of a number, their delivery, its limits and its account', async () => {
    const { id, path, phone_number, code } = await openVerification(server);
    await server.client.post(`${path}/check`, { code: wrongCode(code) });
    await server.client.post(`${path}/check`, { code });
    const report = await waitFor('the delivery', async () => {
      const { body } = await lookUp(phone_number);
      return body.verifications[0]?.delivery.status === 'delivered' && body;
    });
    const [message] = await inboxMessages(server.client, phone_number);
    const time = expect.stringMatching(/^\d{4}-.*Z$/);
    expect(report).toMatchObject({
      phone_number,
      user: { id: expect.stringMatching(/^[\da-f-]{36}$/), created_at: time },
      verifications: [
        {
          reference: id.slice(0, 8),
          purpose: 'sign_in',
          status: 'approved',
          known_device: false,
          messages: 1,
          attempts_left: 4,
          code_length: 6,
          created_at: time,
          expires_at: time,
          resend_at: time,
          delivery: {
            channel: 'sms',
            provider: 'inbox',
            status: 'delivered',
            reason: null,
            provider_id: message.id,
            fell_back: false,
            retried: false,
            requested_at: time,
            updated_at: time,
          },
        },
      ],
      limits: [
        { name: 'cool_down', devices: 'unknown', used: 1, points: 1, reached: true, enforced: true },
        { name: 'sends_per_number', devices: 'unknown', used: 1, points: 5, reached: false },
      ],
      contested: false,
      spending: { country: { spent: expect.any(Number) } },
    });
    expect(report.spending.country.spent).toBeGreaterThan(0);
    expect(Date.parse(report.limits[0].resets_at)).toBeGreaterThan(Date.now());
    expect(JSON.stringify(report)).not.toContain(id);
    expect(JSON.stringify(report)).not.toContain(code);
  });

  it('shows why a message did not arrive, and follows it through the log', async () => {
    await server.client.send('PUT', '/dev/inbox/plan', '{"outcome":"delay"}', JSON_TYPE);
    const { id, path, phone_number } = await openVerification(server);
    const [message] = await inboxMessages(server.client, phone_number);
    await server.client.post(`/dev/inbox/messages/${message.id}/fail`);
    await server.client.send('PUT', '/dev/inbox/plan', '{"outcome":"deliver"}', JSON_TYPE);
    const report = await waitFor('the failure', async () => {
      const { body } = await lookUp(phone_number);
      return body.verifications[0].delivery.reason === 'unreachable' && body;
    });
    expect(report.verifications[0]).toMatchObject({ status: 'pending', delivery: { status: 'undelivered' } });

    await server.client.post(`${path}/resend`, {}, { 'x-request-id': 'asked-too-soon' });
    const reference = id.slice(0, 8);
    const about = { verification: reference, number_hash: report.number_hash };
    await waitFor('the request line', () => linesWith('asked-too-soon').length === 2);
    expect(linesWith('asked-too-soon')).toEqual([
      expect.objectContaining({ context: 'Abuse', event: 'refused', name: 'cool_down', ...about }),
      expect.objectContaining({ msg: 'request', status: 429, reqId: 'asked-too-soon', ...about }),
    ]);
    const events = linesWith(report.number_hash).filter(({ verification }) => verification === reference);
    expect(events.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['request', 'message accepted', 'message undelivered', 'refused: cool_down']),
    );
    await database.query(
      `insert into bad_numbers (phone_index, channel, sender, failure, expires_at)
       values ($1, 'sms', 'inbox', '{"code":"30006","reason":"unreachable","cure":"none"}', now() + '1 day')`,
      [report.number_hash],
    );
    const { body } = await lookUp(phone_number);
    expect(body.bad_routes).toEqual([
      { channel: 'sms', provider: 'inbox', reason: 'unreachable', code: '30006', until: expect.any(String) },
    ]);
  });

  it('names the number in the line of every request that has one, and the verification where one is known', async () => {
    const phone_number = someNumber();
    const header = { 'x-request-id': 'named' };
    const { body } = await server.client.post('/v1/verifications', { phone_number }, header);
    const path = `/v1/verifications/${body.id}`;
    await server.client.get(path, header);
    await server.client.post(`${path}/check`, { code: 'wrong' }, header);
    await server.client.send('DELETE', path, undefined, header);
    await server.client.post('/signup', { phone_number, otp: '123456' }, header);
    const requests = await waitFor('the request lines', () => {
      const found = linesWith('"named"').filter(({ msg }) => msg === 'request');
      return found.length === 5 && found;
    });
    const { number_hash } = (await lookUp(phone_number)).body;
    const verification = body.id.slice(0, 8);
    expect(requests).toEqual([
      expect.objectContaining({ method: 'POST', status: 202, number_hash, verification }),
      expect.objectContaining({ method: 'GET', status: 200, number_hash, verification }),
      expect.objectContaining({ method: 'POST', status: 401, number_hash, verification }),
      expect.objectContaining({ method: 'DELETE', status: 204, number_hash, verification }),
      expect.objectContaining({ method: 'POST', status: 401, number_hash, route: '/signup' }),
    ]);
  });

  it('accepts operators only, and rejects what is no number', async () => {
    const { client } = server;
    expect((await client.post(LOOKUP, { phone_number: '+14155550199' })).status).toBe(401);
    expect((await client.as('another').post(LOOKUP, { phone_number: '+14155550199' })).status).toBe(401);
    for (const phone_number of ['911', '', null, 1, '+1415555019', undefined]) {
      const { status, body } = await lookUp(phone_number);
      expect([phone_number, status, body.code]).toEqual([phone_number, 400, 'invalid_request']);
    }
  });

  it('changes nothing, and logs each lookup once by its hash', async () => {
    const phone_number = someNumber();
    await server.client.post('/v1/verifications', { phone_number });
    await waitFor('the message', async () => (await inboxMessages(server.client, phone_number))[0]);
    const before = await waitFor('a state that lasts', async () => {
      const { body } = await lookUp(phone_number);
      return body.verifications[0].delivery.status === 'delivered' && stored();
    });
    const lookedUp = () => linesWith('number_looked_up').length;
    const earlier = lookedUp();
    const { body } = await lookUp(phone_number);
    await Promise.all([lookUp(phone_number), lookUp(phone_number)]);
    expect(await stored()).toEqual(before);
    expect(lookedUp() - earlier).toBe(3);
    await lookUp(phone_number);
    expect(await database.query('select kind, phone_index, user_id from events')).toEqual([
      { kind: 'number_looked_up', phone_index: body.number_hash, user_id: null },
    ]);
    expect(linesWith('number_looked_up').at(-1)).toMatchObject({
      event: 'number_looked_up',
      number_hash: body.number_hash,
      reqId: expect.any(String),
    });
    expect(lines.join('')).not.toContain(phone_number.slice(2));
  });

  it('counts wrong tokens of operators, warns of a burst once, and lets the right token in meanwhile', async () => {
    const failures = async () => {
      const { body } = await server.client.get('/metrics');
      return Number(/^latchkey_operator_token_failures_total (\d+)$/m.exec(body)?.[1]);
    };
    const before = await failures();
    const { client } = server;
    for (let i = 0; i < 20; i += 1)
      expect((await client.as(`guess-${i}`).post(LOOKUP, { phone_number: '+14155550199' })).status).toBe(401);
    expect((await client.as('guess').get('/protected')).status).toBe(401);
    expect((await lookUp('+14155550199')).status).toBe(200);
    await waitFor('the count', async () => (await failures()) === before + 20);
    expect(linesWith('operator_token_rejected')).toEqual([
      expect.objectContaining({
        level: 'warn',
        failures: 1,
        address: '127.0.0.1',
        reqId: expect.any(String),
      }),
    ]);
    expect(lines.join('')).not.toContain('guess-');
  });

  it('answers the same on the command line', async () => {
    const { phone_number, id } = await openVerification(server);
    const { body } = await waitFor('the delivery', async () => {
      const answer = await lookUp(phone_number);
      return answer.body.verifications[0].delivery.status === 'delivered' && answer;
    });
    const args = ['numbers', 'lookup', phone_number, ...(mode.redis ? ['--json'] : [])];
    const cli = ServerProcess.spawn('cli', { ...variables, SECRET, NODE_ENV: 'test' }, args);
    const { code, output } = await cli.ended();
    expect(code).toBe(0);
    expect(output).toContain('"event":"number_looked_up"');
    if (mode.redis) {
      // Lines of the log come first. The clocks of the stores differ by the time that a reading takes.
      const { limits, ...printed } = JSON.parse(output.slice(output.indexOf('\n{\n') + 1));
      expect({ ...printed, limits: [] }).toEqual({ ...body, limits: [] });
      expect(limits).toMatchObject([
        { name: 'cool_down', used: 1, enforced: true },
        { name: 'sends_per_number', used: 1, enforced: true },
      ]);
    } else {
      expect(output).toContain(`\nverification ${id.slice(0, 8)}\n`);
      expect(output).toMatch(/\n {2}cool_down +reached: 1 of 1, until .*, unknown devices\n/);
    }
  });
});
