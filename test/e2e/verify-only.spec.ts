import { createRemoteJWKSet, jwtVerify } from 'jose';
import { type RunningApi, startApi, startReplica } from '../support/api.js';
import { ClientsFile, type TestClient } from '../support/api-clients.js';
import { modes } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { times } from '../support/repeat.js';

const PATH = '/v1/verifications';

describe.each(modes)('A verification without an account on $name, with two servers', (mode) => {
  let file: ClientsFile;
  let shop: TestClient;
  let bank: TestClient;
  let backend: TestClient;
  let api: RunningApi;
  let replica: RunningApi;

  beforeAll(async () => {
    file = new ClientsFile();
    shop = file.add('shop', ['verify']);
    bank = file.add('bank', ['verify', 'sign_in']);
    backend = file.add('backend', ['sign_in']);
    api = await startApi(mode, { CLIENTS_FILE: file.path });
    replica = await startReplica(api);
  });
  afterAll(async () => {
    await replica.stop();
    await api.stop();
    file.remove();
  });

  async function open(client: TestClient, phone_number = someNumber()) {
    const members = { purpose: 'verify', phone_number, client_address: '192.0.2.1' };
    const { status, body } = await api.client.post(PATH, members, client.basic);
    expect(status).toBe(202);
    return { id: body.id as string, phone_number, code: await api.codeFor(phone_number) };
  }
  const check = (id: string, code: string, headers = {}, server = replica) =>
    server.client.post(`${PATH}/${id}/check`, { code }, headers);
  const count = async (table: string) =>
    (await api.database.query<{ n: number }>(`select count(*)::int as n from ${table}`))[0]?.n;

  it('proves the number to the client, and creates neither user nor token', async () => {
    const before = [await count('users'), await count('tokens'), await count('sessions')];
    const { id, phone_number, code } = await open(shop);
    const { status, body, headers } = await check(id, code, shop.basic);
    expect([status, body]).toEqual([
      200,
      { id, status: 'approved', phone_number, verified_at: expect.any(String), proof: expect.any(String) },
    ]);
    expect(Math.abs(Date.parse(body.verified_at) - Date.now())).toBeLessThan(60_000);
    expect(headers.get('set-cookie')).toBeNull();
    expect([await count('users'), await count('tokens'), await count('sessions')]).toEqual(before);
    expect((await api.client.get(`${PATH}/${id}`)).body.status).toBe('approved');
  });

  it('has a proof that the published keys verify', async () => {
    const { id, phone_number, code } = await open(shop);
    const { proof } = (await check(id, code, shop.basic)).body;
    const keys = createRemoteJWKSet(new URL(`${api.client.url}/.well-known/jwks.json`));
    const rules = {
      issuer: replica.client.url.replace('127.0.0.1', 'localhost'),
      audience: 'shop',
      typ: 'verification+jwt',
    };
    const { payload, protectedHeader } = await jwtVerify(proof, keys, rules);
    expect(protectedHeader.alg).toBe('ES256');
    expect(payload).toMatchObject({ sub: phone_number, jti: id });
    expect((payload.exp as number) - (payload.iat as number)).toBe(300);
    await expect(jwtVerify(proof, keys, { ...rules, typ: 'at+jwt' })).rejects.toThrow(/typ/);
    await expect(jwtVerify(proof, keys, { ...rules, audience: 'bank' })).rejects.toThrow(/aud/);
    expect((await api.client.as(proof).get('/protected')).status).toBe(401);
  });

  it('approves one of many right codes', async () => {
    const { id, code } = await open(shop);
    const servers = [api, replica];
    const answers = await Promise.all(times(4, (i) => check(id, code, shop.basic, servers[i % 2])));
    const right = answers.filter(({ status }) => status === 200);
    expect(right).toHaveLength(1);
    expect((await check(id, code, shop.basic)).body).toMatchObject({
      status: 410,
      code: 'verification_closed',
    });
  });

  it('rejects wrong codes, and closes after five', async () => {
    const { id, code } = await open(shop);
    const wrong = code === '000000' ? '000001' : '000000';
    const left = [];
    for (const _ of times(5, (n) => n)) left.push((await check(id, wrong, shop.basic)).body.attempts_left);
    expect(left).toEqual([4, 3, 2, 1, 0]);
    expect((await check(id, code, shop.basic)).body.code).toBe('verification_closed');
  });

  it('is not known to other clients, and needs the credentials of its own', async () => {
    const { id, code } = await open(shop);
    expect((await check(id, code)).body).toMatchObject({ status: 401, code: 'invalid_client' });
    expect((await check(id, code, bank.basic)).body).toMatchObject({ status: 404, code: 'not_found' });
    expect((await check(id, code, backend.basic)).body.status).toBe(404);
    expect((await check(id, code, shop.basic)).status).toBe(200);
  });

  it('is sent again for its own client only', async () => {
    const { id } = await open(shop);
    const resend = (headers = {}) => api.client.post(`${PATH}/${id}/resend`, {}, headers);
    expect((await resend()).body).toMatchObject({ status: 401, code: 'invalid_client' });
    expect((await resend(bank.basic)).body).toMatchObject({ status: 404, code: 'not_found' });
    expect((await resend(shop.basic)).body).toMatchObject({ status: 429, limit: 'cool_down' });
    const { body: ofSignIn } = await api.client.post(PATH, { phone_number: someNumber() });
    const other = await api.client.post(`${PATH}/${ofSignIn.id}/resend`, {}, shop.basic);
    expect(other.body).toMatchObject({
      code: 'invalid_client',
      detail: expect.stringMatching(/purpose sign_in/),
    });
  });

  it('keeps its codes apart from those of sign-ins', async () => {
    const { phone_number, code } = await open(shop);
    const signUp = await api.client.post('/signup', { phone_number, otp: code });
    expect(signUp.body).toMatchObject({ status: 401, code: 'code_rejected' });

    const number = someNumber();
    const { body } = await api.client.post(PATH, { phone_number: number });
    const signInCode = await api.codeFor(number);
    expect((await check(body.id, signInCode, shop.basic)).body.code).toBe('invalid_client');
    const signedIn = await check(body.id, signInCode, bank.basic);
    expect(signedIn.body).toMatchObject({ token_type: 'Bearer' });
    expect(signedIn.body).not.toHaveProperty('proof');
  });

  it('needs a client with the purpose', async () => {
    const members = { purpose: 'verify', phone_number: someNumber() };
    for (const headers of [{}, backend.basic]) {
      const { status, body } = await api.client.post(PATH, members, headers);
      expect([status, body.code]).toEqual([401, 'invalid_client']);
    }
  });

  it('repeats the answer of a check with the same Idempotency-Key', async () => {
    const { id, code } = await open(shop);
    const headers = { ...shop.basic, 'idempotency-key': 'a-key' };
    const first = await check(id, code, headers, api);
    expect(first.status).toBe(200);
    expect((await check(id, code, headers, replica)).body).toEqual(first.body);
    expect((await check(id, code, { ...headers, ...bank.basic }, replica)).status).not.toBe(200);
  });
});
