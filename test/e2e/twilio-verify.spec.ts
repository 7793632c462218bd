import twilio from 'twilio';
import { type RunningApi, startApi } from '../support/api.js';
import { ClientsFile, type TestClient } from '../support/api-clients.js';
import { modes } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { BRIEF_COOL_DOWN } from '../support/settings.js';
import { waitFor } from '../support/wait.js';

const SERVICE = `VA${'0'.repeat(32)}`;
const ACCOUNT = `AC${'0'.repeat(32)}`;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

describe.each(modes)("Twilio's library for Verify on $name", (mode) => {
  let file: ClientsFile;
  let shop: TestClient;
  let bank: TestClient;
  let account: TestClient;
  let backend: TestClient;
  let api: RunningApi;

  beforeAll(async () => {
    file = new ClientsFile();
    shop = file.add('shop', ['verify']);
    bank = file.add('bank', ['verify']);
    account = file.add(ACCOUNT, ['verify']);
    backend = file.add('backend', ['sign_in']);
    api = await startApi(mode, { CLIENTS_FILE: file.path, ...BRIEF_COOL_DOWN });
  });
  afterAll(async () => {
    await api.stop();
    file.remove();
  });

  /** The library with another base address, and nothing else. */
  function verifyOf({ id, secret }: Pick<TestClient, 'id' | 'secret'>) {
    const client = twilio(id, secret, { accountSid: ACCOUNT });
    client.verify.baseUrl = api.client.url;
    return client.verify.v2.services(SERVICE);
  }
  const start = (to: string, more = {}, client = shop) =>
    verifyOf(client).verifications.create({ to, channel: 'sms', ...more });
  const check = (more: { to?: string; verificationSid?: string }, code: string, client = shop) =>
    verifyOf(client).verificationChecks.create({ code, ...more });
  const fault = (status: number, code: number) => expect.objectContaining({ status, code });
  const wrongFor = (code: string) => (code === '000000' ? '000001' : '000000');

  it('sends a code and checks it, by number', async () => {
    const to = someNumber();
    const verification = await start(to);
    expect(verification).toMatchObject({
      ...{ sid: expect.stringMatching(/^VE[0-9a-f]{32}$/), serviceSid: SERVICE, accountSid: 'shop' },
      ...{ to, channel: 'sms', status: 'pending', valid: false, lookup: {}, amount: null, payee: null },
      sendCodeAttempts: [
        { attempt_sid: expect.stringMatching(/^VL[0-9a-f]{32}$/), channel: 'sms', time: expect.any(String) },
      ],
      url: expect.stringMatching(new RegExp(`/v2/Services/${SERVICE}/Verifications/${verification.sid}$`)),
    });
    expect(Math.abs(verification.dateCreated.getTime() - Date.now())).toBeLessThan(60_000);
    const code = await api.codeFor(to);
    expect(await check({ to }, wrongFor(code))).toMatchObject({ status: 'pending', valid: false });
    const approved = await check({ to }, code);
    expect(approved).toMatchObject({ sid: verification.sid, status: 'approved', valid: true, to });
    await expect(check({ to }, code)).rejects.toEqual(fault(404, 20404));
    const [row] = await api.database.query('select count(*)::int as n from users');
    expect(row).toEqual({ n: 0 });
  });

  it('checks a code by the SID of its verification', async () => {
    const to = someNumber();
    const { sid } = await start(to, { channel: 'auto', locale: 'de', deviceIp: '192.0.2.1' });
    expect(await check({ verificationSid: sid }, await api.codeFor(to))).toMatchObject({ sid, valid: true });
    expect(await verifyOf(shop).verifications(sid).fetch()).toMatchObject({
      status: 'approved',
      valid: true,
    });
  });

  it('works with an account SID as the id of the client', async () => {
    const to = someNumber();
    const client = twilio(account.id, account.secret);
    client.verify.baseUrl = api.client.url;
    const { sid, accountSid } = await client.verify.v2
      .services(SERVICE)
      .verifications.create({ to, channel: 'sms' });
    expect(accountSid).toBe(ACCOUNT);
    expect(await check({ verificationSid: sid }, await api.codeFor(to), account)).toMatchObject({
      valid: true,
    });
  });

  it('sends the same code again under the same SID, after the cool-down', async () => {
    const to = someNumber();
    const { sid } = await start(to);
    const code = await api.codeFor(to);
    await expect(start(to)).rejects.toEqual(fault(429, 60203));
    const again = await waitFor('the end of the cool-down', () => start(to).catch(() => null));
    expect(again.sid).toBe(sid);
    expect(await check({ to }, code)).toMatchObject({ sid, valid: true });
  });

  it('learns when the attempts are used up', async () => {
    const to = someNumber();
    const { sid } = await start(to);
    const code = await api.codeFor(to);
    for (let i = 0; i < 5; i += 1)
      expect(await check({ to }, wrongFor(code))).toMatchObject({ status: 'pending', valid: false });
    await expect(check({ to }, code)).rejects.toEqual(fault(429, 60202));
    await expect(check({ verificationSid: sid }, code)).rejects.toEqual(fault(429, 60202));
    expect(await verifyOf(shop).verifications(sid).fetch()).toMatchObject({ status: 'max_attempts_reached' });
  });

  it('fetches and cancels a verification, by SID and by number', async () => {
    const to = someNumber();
    const { sid } = await start(to);
    expect(await verifyOf(shop).verifications(to).fetch()).toMatchObject({ sid, status: 'pending' });
    expect(await verifyOf(shop).verifications(sid).update({ status: 'canceled' })).toMatchObject({
      sid,
      status: 'canceled',
    });
    await expect(check({ to }, await api.codeFor(to))).rejects.toEqual(fault(404, 20404));
    await expect(verifyOf(shop).verifications(sid).update({ status: 'canceled' })).rejects.toEqual(
      fault(404, 20404),
    );
  });

  it('keeps the verifications of clients apart', async () => {
    const to = someNumber();
    const { sid } = await start(to);
    const code = await api.codeFor(to);
    await expect(check({ to }, code, bank)).rejects.toEqual(fault(404, 20404));
    await expect(check({ verificationSid: sid }, code, bank)).rejects.toEqual(fault(404, 20404));
    await expect(verifyOf(bank).verifications(sid).fetch()).rejects.toEqual(fault(404, 20404));
    await expect(verifyOf(bank).verifications(sid).update({ status: 'canceled' })).rejects.toEqual(
      fault(404, 20404),
    );
    const other = await waitFor('the end of the cool-down', () => start(to, {}, bank).catch(() => null));
    expect(other.sid).not.toBe(sid);
    expect(await check({ to }, code)).toMatchObject({ valid: true, sid });
    expect(await verifyOf(bank).verifications(to).fetch()).toMatchObject({
      sid: other.sid,
      status: 'pending',
    });
  });

  it.each(['VE1', `VE${'0'.repeat(32)}`, `VE${'x'.repeat(32)}`])(
    'is not found: %s',
    async (verificationSid) => {
      await expect(check({ verificationSid }, '123456')).rejects.toEqual(fault(404, 20404));
    },
  );

  it('does not check the code of a sign-in', async () => {
    const phone_number = someNumber();
    const { body } = await api.client.post('/v1/verifications', { phone_number });
    const code = await api.codeFor(phone_number);
    const sid = `VE${Buffer.from(body.id, 'base64url').toString('hex')}`;
    await expect(check({ verificationSid: sid }, code)).rejects.toEqual(fault(404, 20404));
    await expect(check({ to: phone_number }, code)).rejects.toEqual(fault(404, 20404));
  });

  it.each([
    ['a wrong secret', { id: 'shop', secret: 'wrong' }],
    ['an unknown client', { id: 'unknown', secret: 'wrong' }],
  ])('is refused with %s', async (_, credentials) => {
    await expect(
      verifyOf(credentials).verifications.create({ to: someNumber(), channel: 'sms' }),
    ).rejects.toEqual(fault(401, 20003));
  });

  it('is refused without the purpose', async () => {
    await expect(start(someNumber(), {}, backend)).rejects.toEqual(fault(401, 20003));
  });

  it.each([
    ['a malformed number', { to: '12' }],
    ['an unknown channel', { channel: 'email' }],
    ['a channel without a provider', { channel: 'sna' }],
    ['a code of its own', { customCode: '123456' }],
    ['an amount', { amount: '39.99 EUR', payee: 'ACME' }],
    ['a malformed address', { deviceIp: 'localhost' }],
  ])('learns of %s', async (_, more) => {
    await expect(start(someNumber(), more)).rejects.toEqual(fault(400, 60200));
  });

  it('learns that a number gets no messages', async () => {
    await expect(start('+870773111632')).rejects.toEqual(fault(403, 60605));
  });

  it.each([
    [
      'POST',
      `/v2/Services/${SERVICE}/Verifications`,
      'To=%2B14155550100&To=%2B14155550101&Channel=sms',
      400,
      60200,
    ],
    ['POST', `/v2/Services/${SERVICE}/Verifications`, '', 400, 60200],
    ['POST', `/v2/Services/${SERVICE}/VerificationCheck`, 'Code=1', 400, 60200],
    ['POST', `/v2/Services/${SERVICE}/Verifications/VE00`, 'Status=approved', 400, 60200],
    ['POST', `/v2/Services/${SERVICE}/Unknown`, '', 404, 20404],
    ['PUT', `/v2/Services/${SERVICE}/Verifications`, '', 405, 20405],
    ['POST', `/v2/Services/${SERVICE}/Verifications`, 'x='.padEnd(20_000, 'x'), 413, 20413],
  ])('answers %s %s with the form %j in the form of Twilio', async (method, path, form, status, code) => {
    const answer = await api.client.send(method, path, form, { ...FORM, ...shop.basic });
    expect(answer.body).toEqual({ status, code, message: expect.any(String), more_info: expect.any(String) });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
  });
});
