import { startApi } from '../support/api.js';
import { mainlyOn, POSTGRES_ALONE } from '../support/databases.js';
import { FakeTwilio } from '../support/fake-twilio.js';
import { someNumber } from '../support/phone-numbers.js';
import { times } from '../support/repeat.js';
import {
  openAndDeliver,
  PUBLIC_URL,
  type ReportingApi,
  startReporting,
  stopReporting,
  WEBHOOK,
} from '../support/reporting-api.js';
import { throughTwilio } from '../support/settings.js';
import { afterCoolDown, codeIn, deliveredAs, wrongCode } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

describe('A message', () => {
  const mode = POSTGRES_ALONE;

  describe.each(mainlyOn('postgres'))('with a fallback on $name', (both) => {
    let reporting: ReportingApi;
    beforeAll(async () => {
      reporting = await startReporting(both, { FALLBACK: 'sms>whatsapp>call@5s', TWILIO_FEEDBACK: 'on' });
    });
    afterAll(() => stopReporting(reporting));

    it('falls back once and reports the channel', async () => {
      const { client } = reporting.api;
      const { path, sid, messages } = await openAndDeliver(reporting);
      await reporting.twilio.report(sid, { undelivered: 30003 });
      await waitFor('the fallback', () => messages().length === 2);
      expect(messages()[1]).toMatchObject({ channel: 'whatsapp' });
      expect((await client.get(path)).body).toMatchObject({ channel: 'whatsapp', status: 'pending' });
      await reporting.twilio.report(messages()[1]?.sid as string, { undelivered: 63003 });
      expect((await client.get(path)).body.delivery).toMatchObject({
        status: 'undelivered',
        reason: 'unreachable',
      });
      await reporting.twilio.report(sid, 'delivered');
      expect((await client.get(path)).body.delivery).toMatchObject({ status: 'delivered', reason: null });
      expect(messages()).toHaveLength(2);
      const metrics = (await client.get('/metrics')).body as string;
      const deliveredBy = (channel: string) =>
        metrics.includes(`latchkey_messages_total{channel="${channel}",sender="twilio",status="delivered"`);
      expect([deliveredBy('sms'), deliveredBy('whatsapp')]).toEqual([true, false]);
    });

    it('is undelivered when a mailbox answers the call', async () => {
      const { path, sid } = await openAndDeliver(reporting, { channel: 'call' });
      await reporting.twilio.report(sid, 'in-progress');
      expect((await reporting.api.client.get(path)).body.delivery.status).toBe('sent');
      await reporting.twilio.report(sid, 'completed', { answeredBy: 'machine_start' });
      expect((await reporting.api.client.get(path)).body.delivery).toMatchObject({
        status: 'undelivered',
        reason: 'unreachable',
      });
    });

    it.each([
      ['no channel can cure the failure', { undelivered: 21610 }],
      ['Twilio reports fraud', { failed: 30450 }],
    ])('does not fall back when %s', async (_, report) => {
      const { path, sid, messages } = await openAndDeliver(reporting);
      await reporting.twilio.report(sid, report);
      const { body } = await reporting.api.client.get(path);
      expect(body).toMatchObject({ channel: 'sms', delivery: { reason: 'blocked' } });
      expect(messages()).toHaveLength(1);
    });

    it('does not fall back once the code is used', async () => {
      const { path, sid, messages } = await openAndDeliver(reporting);
      const code = codeIn(messages()[0]);
      expect((await reporting.api.client.post(`${path}/check`, { code })).status).toBe(200);
      await reporting.twilio.report(sid, { undelivered: 30003 });
      expect((await reporting.api.client.get(path)).body.channel).toBe('sms');
      expect(messages()).toHaveLength(1);
    });

    it('is confirmed to Twilio when its code is used, once', async () => {
      const { path, sid, messages } = await openAndDeliver(reporting);
      expect(messages()[0]).toMatchObject({ provideFeedback: true });
      await deliveredAs(reporting.api.client, path, 'sent');
      const code = codeIn(messages()[0]);
      await reporting.api.client.post(`${path}/check`, { code: wrongCode(code as string) });
      await reporting.api.client.post(`${path}/check`, { code });
      const feedback = await waitFor(
        'the feedback',
        () => reporting.twilio.feedback.filter(({ messageSid }) => messageSid === sid)[0],
      );
      expect(feedback).toEqual({ messageSid: sid, outcome: 'confirmed' });
    });
  });

  it('falls back when a mailbox answers the call, and not when a person does', async () => {
    const reporting = await startReporting(mode, { FALLBACK: 'call>sms' });
    const [mailbox, person] = [
      await openAndDeliver(reporting, { channel: 'call' }),
      await openAndDeliver(reporting, { channel: 'call' }),
    ];
    await reporting.twilio.report(person.sid, 'completed', { answeredBy: 'human' });
    await reporting.twilio.report(mailbox.sid, 'completed', { answeredBy: 'machine_start' });
    await waitFor('the fallback', () => mailbox.messages().length === 2);
    expect(mailbox.messages()[1]).toMatchObject({ channel: 'sms' });
    expect((await reporting.api.client.get(person.path)).body.delivery.status).toBe('delivered');
    expect(person.messages()).toHaveLength(1);
    await stopReporting(reporting);
  });

  it('does not fall back beyond the spending cap', async () => {
    const reporting = await startReporting(mode, { FALLBACK: 'sms>whatsapp', SPEND_CAP_PER_COUNTRY: '0.01' });
    const { path, sid, messages } = await openAndDeliver(reporting);
    await reporting.twilio.report(sid, { undelivered: 30003 });
    expect((await reporting.api.client.get(path)).body).toMatchObject({
      channel: 'sms',
      delivery: { status: 'undelivered', reason: 'unreachable' },
    });
    expect(messages()).toHaveLength(1);
    await stopReporting(reporting);
  });

  it('to a known bad number costs nothing', async () => {
    const reporting = await startReporting(mode, { SPEND_CAP_PER_COUNTRY: '0.01' });
    const { client } = reporting.api;
    reporting.twilio.answer({ refuse: 21614 });
    const phone_number = someNumber();
    for (let i = 0; i < 3; i += 1) {
      const { body } = await afterCoolDown(() => client.post('/v1/verifications', { phone_number }));
      await deliveredAs(client, `/v1/verifications/${body.id}`, 'failed');
    }
    expect(reporting.twilio.requests).toHaveLength(1);
    // The cap allows one message. Twilio charges nothing for the one that it refused.
    await openAndDeliver(reporting);
    expect((await client.post('/v1/verifications', { phone_number: someNumber() })).body.code).toBe(
      'sends_suspended',
    );
    await stopReporting(reporting);
  });

  it('counts in the caps at the price of its channel', async () => {
    const reporting = await startReporting(mode, { SPEND_CAP_PER_COUNTRY: '0.02' });
    const ask = (channel: string) =>
      reporting.api.client.post('/v1/verifications', { phone_number: someNumber(), channel });
    expect((await ask('call')).status).toBe(202);
    // The cap allows two SMS, but not a call and an SMS.
    expect((await ask('sms')).body.code).toBe('sends_suspended');
    await stopReporting(reporting);
  });

  it('that a messaging service refuses later costs nothing', async () => {
    const reporting = await startReporting(mode, { SPEND_CAP_PER_COUNTRY: '0.01' });
    const { path, sid } = await openAndDeliver(reporting);
    const ask = () => reporting.api.client.post('/v1/verifications', { phone_number: someNumber() });
    expect((await ask()).body.code).toBe('sends_suspended');
    await reporting.twilio.report(sid, { failed: 21612 });
    expect((await reporting.api.client.get(path)).body.delivery.status).toBe('failed');
    expect((await ask()).status).toBe(202);
    await stopReporting(reporting);
  });

  it.each([
    ['a STOP, which START cures', 21610, 15],
    ['a landline', 21635, 24 * 60],
  ])('is refused after %s (%d) for %d minutes', async (_, refuse, minutes) => {
    const reporting = await startReporting(mode);
    const { client } = reporting.api;
    const phone_number = someNumber();
    const age = (by: number) =>
      reporting.api.database.query(
        `update bad_numbers set expires_at = expires_at - interval '${by} minutes'`,
      );
    const ask = async (status: string) => {
      const { body } = await afterCoolDown(() => client.post('/v1/verifications', { phone_number }));
      await deliveredAs(client, `/v1/verifications/${body.id}`, status);
    };
    reporting.twilio.answer({ refuse });
    await ask('failed');
    await age(minutes - 1);
    await ask('failed');
    expect(reporting.twilio.requestsFor(phone_number)).toBe(1);
    await age(1);
    await ask('sent');
    expect(reporting.twilio.requestsFor(phone_number)).toBe(2);
    await stopReporting(reporting);
  });

  it.each([
    ["the sender's own fault", 21612, 'failed'],
    ['a full queue', 21611, 'sent'],
  ])('is sent again after %s (%d)', async (_, refuse, status) => {
    const reporting = await startReporting(mode);
    const { client } = reporting.api;
    const phone_number = someNumber();
    reporting.twilio.answer({ refuse });
    const { body } = await client.post('/v1/verifications', { phone_number });
    await deliveredAs(client, `/v1/verifications/${body.id}`, status);
    const again = await afterCoolDown(() => client.post('/v1/verifications', { phone_number }));
    await deliveredAs(client, `/v1/verifications/${again.body.id}`, 'sent');
    await stopReporting(reporting);
  });

  it('that Twilio reports as fraud counts against its requester', async () => {
    const reporting = await startReporting(mode, { BREAKER_MODE: 'enforce' });
    const { client } = reporting.api;
    const { sid } = await openAndDeliver(reporting);
    await reporting.twilio.report(sid, { failed: 30453 });
    const next = await client.post('/v1/verifications', { phone_number: someNumber() });
    expect([next.status, next.body.code]).toEqual([403, 'proof_of_work_required']);
    await stopReporting(reporting);
  });

  it('accepts reports signed with either auth token during a rotation', async () => {
    const twilio = await FakeTwilio.start();
    const api = await startApi(mode, {
      ...throughTwilio(twilio),
      PUBLIC_URL,
      TWILIO_AUTH_TOKEN_SECONDARY: twilio.secondaryToken,
    });
    twilio.sendReportsTo(api.client.url);
    const { path, sid } = await openAndDeliver({ api, twilio });
    expect(await twilio.report(sid, 'sent', { signedWith: twilio.secondaryToken })).toBe(204);
    expect(await twilio.report(sid, 'delivered', { signedWith: twilio.authToken })).toBe(204);
    expect((await api.client.get(path)).body.delivery.status).toBe('delivered');
    await stopReporting({ api, twilio });
  });

  it('asks for no reports without a public URL', async () => {
    const twilio = await FakeTwilio.start();
    const api = await startApi(mode, throughTwilio(twilio));
    const { path, messages } = await openAndDeliver({ api, twilio });
    expect(messages()[0]?.statusCallback).toBeNull();
    await deliveredAs(api.client, path, 'sent');
    expect((await api.client.post(WEBHOOK)).status).toBe(404);
    const other = await api.client.post('/v1/verifications', { phone_number: someNumber(), channel: 'call' });
    expect([other.status, other.body.errors[0].pointer]).toEqual([400, '/channel']);
    await stopReporting({ api, twilio });
  });

  it('answers waiting requests when the server stops', async () => {
    const api = await startApi(mode);
    const { body } = await api.client.post('/v1/verifications', { phone_number: someNumber() });
    const path = `/v1/verifications/${body.id}`;
    await deliveredAs(api.client, path, 'delivered');
    const waiting = api.client.get(`${path}?wait=20`);
    await api.client.get('/health/live');
    const stoppedAt = Date.now();
    await api.stop();
    expect(Date.now() - stoppedAt).toBeLessThan(15_000);
    const { headers, body: seen } = await waiting;
    expect([seen.delivery.status, headers.get('connection')]).toEqual(['delivered', 'close']);
  });

  it('ends with a line from which browsers fill in the code', async () => {
    const twilio = await FakeTwilio.start();
    const api = await startApi(mode, {
      ...throughTwilio(twilio),
      SMS_ORIGIN: 'login.example.com',
      BRAND: 'Acme',
    });
    const { messages } = await openAndDeliver({ api, twilio });
    expect(messages()[0]?.body).toMatch(/Acme.*\n@login\.example\.com #\d{6}$/);
    await stopReporting({ api, twilio });
  });

  describe.each(mainlyOn('postgres'))('for a website and Android apps on $name', (both) => {
    const [FIRST, SECOND] = ['FA+9qCX9VSu', 'AbCdEfGhIjK'];
    let reporting: ReportingApi;
    beforeAll(async () => {
      const variables = { SMS_ORIGIN: 'app.example.com', SMS_APP_HASHES: `${FIRST}, ${SECOND}` };
      reporting = await startReporting(both, variables);
    });
    afterAll(() => stopReporting(reporting));

    const lastLine = (message: { body: string } | undefined) => message?.body.split('\n').at(-1);

    it('ends with the line of the app that the request names, also when it is sent again', async () => {
      const { path, messages } = await openAndDeliver(reporting, { app_hash: SECOND });
      await afterCoolDown(() => reporting.api.client.post(`${path}/resend`));
      await waitFor('the second message', () => messages().length === 2);
      expect(messages().map(lastLine)).toEqual([SECOND, SECOND]);
    });

    it('ends with the line of the website when the request names no app', async () => {
      const { messages } = await openAndDeliver(reporting, { app_hash: null });
      expect(lastLine(messages()[0])).toMatch(/^@app\.example\.com #\d{6}$/);
    });

    it('ends with the line of the app that a sign-up names, until it names another', async () => {
      const phone_number = someNumber();
      const messages = () => reporting.twilio.messagesTo(phone_number);
      for (const app_hash of [FIRST, undefined, SECOND]) {
        const before = messages().length;
        await afterCoolDown(() => reporting.api.client.post('/signup', { phone_number, app_hash }));
        await waitFor('the message', () => messages().length > before);
      }
      expect(messages().map(lastLine)).toEqual([FIRST, FIRST, SECOND]);
    });

    it.each([
      ['/v1/verifications', 'AbCdEfGhIjX'],
      ['/v1/verifications', ''],
      ['/signup', 'AbCdEfGhIjX'],
    ])('is refused at %s for the unknown app "%s"', async (route, app_hash) => {
      const { status, body } = await reporting.api.client.post(route, {
        phone_number: someNumber(),
        app_hash,
      });
      expect([status, body.code, body.errors[0].pointer]).toEqual([400, 'invalid_request', '/app_hash']);
    });
  });

  it('to a test number keeps accepting the fixed code after guesses', async () => {
    const reporting = await startReporting(mode, { TEST_PHONE_NUMBERS: '+15005550006=246813' });
    const { client } = reporting.api;
    const open = async () =>
      (await client.post('/v1/verifications', { phone_number: '+15005550006' })).body.id;
    for (let wrong = 0; wrong < 9; wrong += 1) {
      expect((await client.post(`/v1/verifications/${await open()}/check`, { code: '000000' })).status).toBe(
        401,
      );
    }
    const { status } = await client.post(`/v1/verifications/${await open()}/check`, { code: '246813' });
    expect([200, 429]).toContain(status);
    await stopReporting(reporting);
  });

  it('is sent to a known device although its number is listed as bad, and a delivery clears the list', async () => {
    const reporting = await startReporting(mode);
    const { client } = reporting.api;
    const { path, phone_number, messages, sid } = await openAndDeliver(reporting);
    const code = codeIn(messages()[0]);
    const { device_token } = (await client.post(`${path}/check`, { code })).body;
    await reporting.twilio.report(sid, { undelivered: 30007 });
    const again = (members: object) =>
      afterCoolDown(() => client.post('/v1/verifications', { phone_number, ...members })).then(
        ({ body }) => `/v1/verifications/${body.id}`,
      );
    await deliveredAs(client, await again({}), 'failed');
    expect(messages()).toHaveLength(1);
    await deliveredAs(client, await again({ device_token }), 'sent');
    expect(messages()).toHaveLength(2);
    await reporting.twilio.report(messages()[1]?.sid as string, 'delivered');
    await deliveredAs(client, await again({}), 'sent');
    expect(messages()).toHaveLength(3);
    await stopReporting(reporting);
  });

  it('with many parallel reports of its failure falls back, and is paid for, once', async () => {
    const reporting = await startReporting(mode, { FALLBACK: 'sms>whatsapp' });
    const { sid, messages } = await openAndDeliver(reporting);
    await Promise.all(times(20, () => reporting.twilio.report(sid, { undelivered: 30003 })));
    await waitFor('the fallback', () => messages().length === 2);
    const spent = () =>
      reporting.api.database.query<{ state: string }>(
        `select state from abuse_states where key like 'spending:%'`,
      );
    await waitFor(
      'the prices of an SMS and a WhatsApp message',
      async () => JSON.parse((await spent())[0]?.state ?? '{}').total === 8_300 + 10_000,
    );
    await stopReporting(reporting);
  });

  describe('to a test number', () => {
    const TEST = '+15005550006';
    let reporting: ReportingApi;
    beforeAll(async () => {
      reporting = await startReporting(mode, {
        TEST_PHONE_NUMBERS: `${TEST}=246813`,
        BREAKER_MODE: 'enforce',
        FALLBACK: 'sms>call',
      });
    });
    afterAll(() => stopReporting(reporting));

    it('is never sent, and its fixed code signs in repeatedly', async () => {
      const { client } = reporting.api;
      for (let i = 0; i < 8; i += 1) {
        expect((await client.post('/signup', { phone_number: TEST })).status).toBe(200);
        const { status, body } = await client.post('/signup', { phone_number: TEST, otp: '246813' });
        expect([status, body.data.phone_number]).toEqual([200, TEST]);
      }
      expect(reporting.twilio.requests).toEqual([]);
    });

    it('looks like any other, is counted and has the usual attempts', async () => {
      const { client } = reporting.api;
      const { status, body } = await client.post('/v1/verifications', { phone_number: TEST });
      expect([status, Object.keys(body).sort()]).toEqual([
        202,
        Object.keys((await client.post('/v1/verifications', { phone_number: '+14155559999' })).body).sort(),
      ]);
      const path = `/v1/verifications/${body.id}`;
      await deliveredAs(client, path, 'sent');
      for (let left = 4; left >= 0; left -= 1) {
        const wrong = await client.post(`${path}/check`, { code: '246814' });
        expect([wrong.status, wrong.body.attempts_left]).toEqual([401, left]);
      }
      expect((await client.post(`${path}/check`, { code: '246813' })).status).toBe(410);
      expect(Date.parse(body.resend_at) - Date.parse(body.created_at)).toBe(1_000);
      const metrics = (await client.get('/metrics')).body as string;
      expect(metrics).toMatch(/latchkey_test_number_uses_total\{what="send"\} [1-9]/);
      expect(metrics).toMatch(/latchkey_test_number_uses_total\{what="check"\} [1-9]/);
    });
  });
});
