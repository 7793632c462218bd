import { abuseApis } from '../support/abuse-api.js';
import { basicOf, ClientsFile, type TestClient } from '../support/api-clients.js';
import { modes } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { times } from '../support/repeat.js';
import { waitFor } from '../support/wait.js';

const AREAS = [
  '201',
  '202',
  '203',
  '205',
  '206',
  '207',
  '208',
  '209',
  '210',
  '212',
  '213',
  '214',
  '215',
  '216',
];
const PATH = '/v1/verifications';

/** A number of another range for each `i`, like the users of one backend. */
const user = (i: number) => `+1${AREAS[i % AREAS.length]}${['555', '556', '557'][i % 3]}${1_000 + i * 37}`;
/** A number of one range, like the targets of an attack. */
const target = (i: number) => `+1312555${String(i).padStart(4, '0')}`;
const network = (i: number) => `203.${i % 200}.${i % 7}.${i % 251}`;

describe.each(modes)('A backend on $name', (mode) => {
  const { start } = abuseApis(mode);
  let file: ClientsFile;
  let shop: TestClient;
  let verifier: TestClient;
  let limited: TestClient;
  let inspector: TestClient;

  beforeAll(() => {
    file = new ClientsFile();
    shop = file.add('shop', ['sign_in']);
    verifier = file.add('verifier', ['verify']);
    limited = file.add('limited', ['sign_in'], { sends: '3/1h', checks: '2/1h' });
    inspector = file.add('inspector', ['introspect']);
  });
  afterAll(() => file.remove());

  const startWithClients = (variables: Record<string, string> = {}) =>
    start({ CLIENTS_FILE: file.path, ...variables });

  it('gets codes for forty users, where a public app of the same address does not', async () => {
    const api = await startWithClients({ LIMIT_SENDS_PER_ADDRESS: '5/10m' });
    const later = api.travel();
    for (const i of times(40, (n) => n)) {
      const { body } = await api.request(user(i), {}, shop.basic);
      expect([i, body.status]).toEqual([i, 'pending']);
      later(10_000);
    }
    const answers = [];
    for (const i of times(6, (n) => n))
      answers.push(await api.client.post(PATH, { phone_number: user(50 + i) }));
    expect(answers.map(({ status }) => status)).toContain(202);
    expect(answers.at(-1)?.status).not.toBe(202);
  });

  it('does not get codes for addresses that pump messages', async () => {
    const api = await startWithClients();
    const later = api.travel();
    const statuses = [];
    for (const i of times(40, (n) => n)) {
      const members = { phone_number: target(i), client_address: network(i) };
      statuses.push((await api.client.post(PATH, members, shop.basic)).status);
      later(1_000);
    }
    // Twenty messages to one range may await their codes, and fewer from new networks.
    expect(statuses.filter((status) => status === 202).length).toBeLessThanOrEqual(20);
    expect(statuses.at(-1)).not.toBe(202);
    expect((await api.request(user(1), { client_address: network(1) }, shop.basic)).status).toBe(202);
  });

  it('counts the address of its user, and no other', async () => {
    const api = await startWithClients({ LIMIT_SENDS_PER_ADDRESS: '2/1h', LIMIT_CHECKS_PER_ADDRESS: '2/1h' });
    const ask = (client_address: string, i: number) =>
      api.client.post(PATH, { phone_number: user(i), client_address }, shop.basic);
    const { body: opened } = await ask('198.51.100.7', 1);
    expect((await ask('198.51.100.7', 2)).status).toBe(202);
    expect((await ask('198.51.100.7', 3)).body).toMatchObject({ status: 429, limit: 'sends_per_address' });
    expect((await ask('192.0.2.9', 4)).status).toBe(202);

    const check = (client_address: string) =>
      api.client.post(`${PATH}/${opened.id}/check`, { code: '000000', client_address }, shop.basic);
    for (const _ of times(2, (n) => n))
      expect((await check('198.51.100.7')).body.code).not.toBe('rate_limited');
    expect((await check('198.51.100.7')).body).toMatchObject({ limit: 'checks_per_address' });
    expect((await check('192.0.2.9')).body.limit).not.toBe('checks_per_address');
  });

  it('has limits of its own while it states no address', async () => {
    const api = await startWithClients({ LIMIT_SENDS_PER_ADDRESS: '1/1h', LIMIT_CHECKS_PER_ADDRESS: '1/1h' });
    const ask = (i: number, client: TestClient) =>
      api.client.post(PATH, { phone_number: user(i) }, client.basic);
    const opened = [];
    for (const i of [1, 2, 3]) opened.push((await ask(i, limited)).body);
    expect(opened.map(({ status }) => status)).toEqual(Array(3).fill('pending'));
    expect((await ask(4, limited)).body).toMatchObject({ status: 429, limit: 'sends_per_client' });
    expect((await ask(4, shop)).status).toBe(202);

    const check = ({ id }: { id: string }) =>
      api.client.post(`${PATH}/${id}/check`, { code: '000000' }, limited.basic);
    const [first, second, third] = opened;
    for (const each of [first, second]) expect((await check(each)).body.code).toBe('code_rejected');
    expect((await check(third)).body).toMatchObject({ status: 429, limit: 'checks_per_client' });
  });

  it('signs its user in, whose sessions show the stated address', async () => {
    const api = await startWithClients();
    const signIn = async (more: object) => {
      const phone_number = someNumber();
      const { body } = await api.client.post(PATH, { phone_number, ...more }, shop.basic);
      const code = await api.codeFor(phone_number);
      const checked = await api.client.post(`${PATH}/${body.id}/check`, { code, ...more }, shop.basic);
      expect(checked.status).toBe(200);
      const { items } = (await api.client.as(checked.body.token).get('/v1/sessions')).body;
      return items[0];
    };
    expect(await signIn({ client_address: '2001:db8::7' })).toMatchObject({
      address: '2001:db8::7',
      user_agent: null,
    });
    expect(await signIn({})).toMatchObject({ address: null, user_agent: null });
  });

  it('is known by its secret alone, too', async () => {
    const api = await startWithClients();
    const bearer = { authorization: `Bearer ${shop.secret}` };
    const members = { phone_number: someNumber(), client_address: '192.0.2.1' };
    expect((await api.client.post(PATH, members, bearer)).status).toBe(202);
    const wrong = { authorization: `Bearer ${shop.secret}x` };
    expect((await api.client.post(PATH, members, wrong)).body.code).toBe('invalid_client');
  });

  it.each([
    ['Basic', 401],
    ['Basic !!!', 401],
    [`Basic ${Buffer.from('shop').toString('base64')}`, 401],
    ['Basic c2hvcDp4,x', 401],
    ['Bearer sk_wrong+/=', 401],
    ['bearer sk_', 401],
    [`Bearer ${'A'.repeat(26)}`, 202],
    ['Digest username="shop"', 202],
  ])('answers the credentials %j with %d', async (authorization, status) => {
    const api = await startWithClients();
    const answer = await api.client.post(PATH, { phone_number: someNumber() }, { authorization });
    expect(answer.status).toBe(status);
  });

  it('is known by its secret in every case of the scheme', async () => {
    const api = await startWithClients();
    const members = { phone_number: someNumber(), client_address: '192.0.2.1' };
    const { status } = await api.client.post(PATH, members, { authorization: `BEARER ${shop.secret}` });
    expect(status).toBe(202);
  });

  it('loses none of its checks to verifications that are closed', async () => {
    const api = await startWithClients();
    const { body } = await api.client.post(PATH, { phone_number: user(1) }, limited.basic);
    await api.client.delete(`${PATH}/${body.id}`);
    for (const _ of times(4, (n) => n)) {
      const answer = await api.client.post(`${PATH}/${body.id}/check`, { code: '000000' }, limited.basic);
      expect(answer.body.code).toBe('verification_closed');
    }
  });

  it("is served by Twilio's form although others requested messages to the number", async () => {
    const api = await startWithClients();
    const later = api.travel();
    const phone_number = user(7);
    for (const _ of times(3, (n) => n)) {
      expect((await api.request(phone_number)).status).toBe(202);
      later(120_000);
    }
    expect((await api.request(phone_number)).body.code).toBe('proof_of_work_required');
    const form = `To=${encodeURIComponent(phone_number)}&Channel=sms&DeviceIp=192.0.2.1`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded', ...verifier.basic };
    const answer = await waitFor('the end of the cool-down', async () => {
      const each = await api.client.send('POST', '/v2/Services/VA0/Verifications', form, headers);
      return each.body.code !== 60203 && each;
    });
    expect([answer.status, answer.body.status]).toEqual([201, 'pending']);
  });

  it('is refused with wrong credentials, and without the purpose', async () => {
    const api = await startWithClients();
    const { body: opened } = await api.client.post(PATH, { phone_number: someNumber() });
    const routes = [
      [PATH, { phone_number: someNumber() }],
      [`${PATH}/${opened.id}/resend`, {}],
      [`${PATH}/${opened.id}/check`, { code: '000000' }],
    ] as const;
    const wrong = [
      basicOf('shop', 'wrong'),
      basicOf('unknown', shop.secret),
      basicOf('', ''),
      inspector.basic,
    ];
    for (const [path, members] of routes) {
      for (const credentials of wrong) {
        const { status, body, headers } = await api.client.post(path, members, credentials);
        expect([path, status, body.code]).toEqual([path, 401, 'invalid_client']);
        expect(headers.get('www-authenticate')).toMatch(/^Basic /);
      }
    }
    const asked = await api.client.post(PATH, { phone_number: someNumber() }, verifier.basic);
    expect(asked.body.code).toBe('invalid_client');
    const checked = await api.client.post(`${PATH}/${opened.id}/check`, { code: '000000' }, verifier.basic);
    expect(checked.body.code).toBe('invalid_client');
  });

  it('alone may state an address', async () => {
    const api = await startWithClients();
    const { body: opened } = await api.client.post(PATH, { phone_number: someNumber() });
    const client_address = '192.0.2.1';
    for (const [path, members] of [
      [PATH, { phone_number: someNumber() }],
      [`${PATH}/${opened.id}/resend`, {}],
      [`${PATH}/${opened.id}/check`, { code: '000000' }],
    ] as const) {
      const { status, body } = await api.client.post(path, { ...members, client_address });
      expect([path, status, body.errors]).toEqual([
        path,
        400,
        [
          {
            pointer: '/client_address',
            detail: expect.stringMatching(/credentials of a client that has the purpose/),
          },
        ],
      ]);
    }
  });

  it.each(['', 'localhost', '192.0.2.1/24', '192.0.2.999', 'fe80::1%eth0', 7, {}, ['192.0.2.1']])(
    'learns that %j is no address',
    async (client_address) => {
      const api = await startWithClients();
      const { status, body } = await api.client.post(
        PATH,
        { phone_number: someNumber(), client_address },
        shop.basic,
      );
      expect([status, body.errors?.[0]?.pointer]).toEqual([400, '/client_address']);
    },
  );

  it('is ignored where no client may request codes', async () => {
    const others = new ClientsFile();
    others.add('inspector', ['introspect']);
    const api = await start({ CLIENTS_FILE: others.path });
    const { status } = await api.client.post(
      PATH,
      { phone_number: someNumber() },
      basicOf('proxy', 'password'),
    );
    expect(status).toBe(202);
    others.remove();
  });
});
