import { type RunningApi, startApi } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { someNumber } from '../support/phone-numbers.js';
import { BURST, mapInFlight, times } from '../support/repeat.js';
import { afterCoolDown, inboxMessages, openVerification, wrongCode } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

/** Returns the unexpected answers. A busy machine may answer 503 in time rather than 410 late. */
const unexpected = (answers: Answer[], expected: number[]) =>
  answers.filter(({ status }) => !expected.includes(status));

describe.each(modes)('A server on $name', (mode) => {
  let api: RunningApi;
  /** A server whose cool-down does not end during a test. */
  let patient: RunningApi;
  const post = (path: string, body?: unknown) => api.client.post(path, body);

  beforeAll(async () => {
    api = await startApi(mode, { DEFAULT_REGION: 'US', LIMIT_COOL_DOWN: '1s,2s' });
    patient = await startApi(mode, { LIMIT_COOL_DOWN: '1h' });
  });
  afterAll(() => Promise.all([api.stop(), patient.stop()]));

  async function signUp(phone_number: string, members: object = {}) {
    await post('/signup', { phone_number, ...members });
    return post('/signup', { phone_number, otp: await api.codeFor(phone_number) });
  }

  /** Waits for the second message to a number and returns both, newest first. */
  function secondMessage(phoneNumber: string) {
    return waitFor('the second message', async () => {
      const messages = await inboxMessages(api.client, phoneNumber);
      return messages.length === 2 && messages;
    });
  }

  describe('POST /signup', () => {
    it('sends a code and exchanges it for a user and a token', async () => {
      const phone_number = someNumber();
      const asked = await post('/signup', { phone_number, name: 'Ada' });
      expect(asked.status).toBe(200);
      expect(asked.body).toEqual({ success: true, message: 'OTP sent successfully' });

      const signedUp = await post('/signup', { phone_number, otp: await api.codeFor(phone_number) });
      expect(signedUp.status).toBe(200);
      expect(signedUp.body).toEqual({
        success: true,
        message: 'User registered successfully',
        data: {
          avatar: null,
          id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
          created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
          name: 'Ada',
          locale: null,
          phone_number,
          version: 1,
        },
        token: expect.stringMatching(/^[A-Z2-7]{26}$/),
        expires_at: expect.stringMatching(/Z$/),
        refresh_token: expect.stringMatching(/^[A-Z2-7]{26}$/),
        refresh_expires_at: expect.stringMatching(/Z$/),
      });
      const hoursLeft = (Date.parse(signedUp.body.expires_at) - Date.now()) / 3_600_000;
      expect(hoursLeft).toBeCloseTo(48, 1);
    });

    it('returns a token that the protected route accepts', async () => {
      const { body } = await signUp(someNumber());
      const answer = await api.client.as(body.token).get('/protected');
      expect(answer.status).toBe(200);
      const { data } = body;
      const user = { ...data, created_at: expect.stringContaining(data.created_at.slice(0, -1)) };
      expect(answer.body).toEqual({ message: expect.any(String), user, data });
    });

    it('prefers the name that comes with the code to an earlier one', async () => {
      const phone_number = someNumber();
      await post('/signup', { phone_number, name: 'Ada' });
      const { body } = await post('/signup', {
        phone_number,
        name: 'Grace',
        otp: await api.codeFor(phone_number),
      });
      expect(body.data.name).toBe('Grace');
    });

    it('uses the last name that came with a request for the code', async () => {
      const phone_number = someNumber();
      await post('/signup', { phone_number, name: 'Adda' });
      await afterCoolDown(() => post('/signup', { phone_number, name: 'Ada' }));
      const { body } = await post('/signup', { phone_number, otp: await api.codeFor(phone_number) });
      expect(body.data.name).toBe('Ada');
    });

    it('sends a new code when the old one is about to expire', async () => {
      const otp = { ...api.config.otp, ttlMs: 14_000 };
      const brief = await startApi(mode, { LIMIT_COOL_DOWN: '1s' }, { otp });
      const phone_number = someNumber();
      await brief.client.post('/signup', { phone_number });
      const code = await brief.codeFor(phone_number);
      await afterCoolDown(() => brief.client.post('/signup', { phone_number }));
      const another = await waitFor('another code', async () => {
        const newest = await brief.codeFor(phone_number);
        return newest !== code && newest;
      });
      const { status } = await brief.client.post('/signup', { phone_number, otp: another });
      await brief.stop();
      expect(status).toBe(200);
    });

    it('signs in the existing user and ignores a new name', async () => {
      const phone_number = someNumber();
      const first = await signUp(phone_number, { name: 'Ada' });
      await afterCoolDown(() => post('/signup', { phone_number, name: 'Eve' }));
      const again = await post('/signup', { phone_number, otp: 'unused' });
      expect(again.status).toBe(401);
      const [{ code: otp }] = await secondMessage(phone_number);
      const second = await post('/signup', { phone_number, otp });
      expect(second.status).toBe(200);
      expect(second.body.data).toEqual(first.body.data);
      expect(second.body.token).not.toBe(first.body.token);
    });

    it('answers known and unknown numbers alike', async () => {
      const known = someNumber();
      await signUp(known);
      const [a, b] = await Promise.all([
        afterCoolDown(() => post('/signup', { phone_number: known })),
        post('/signup', { phone_number: someNumber() }),
      ]);
      expect(a.body).toEqual(b.body);
      const names = (headers: Headers) => [...headers.keys()].sort();
      expect(names(a.headers)).toEqual(names(b.headers));
    });

    it('answers wrong, used and never-sent codes alike', async () => {
      const phone_number = someNumber();
      await post('/signup', { phone_number });
      const code = await api.codeFor(phone_number);
      const wrong = await post('/signup', { phone_number, otp: wrongCode(code) });
      await post('/signup', { phone_number, otp: code });
      const used = await post('/signup', { phone_number, otp: code });
      const neverSent = await post('/signup', { phone_number: someNumber(), otp: code });

      expect(wrong.status).toBe(401);
      expect(wrong.body).toMatchObject({ code: 'code_rejected', error: 'Invalid or expired OTP' });
      expect(wrong.body).not.toHaveProperty('attempts_left');
      const { instance: _, ...withoutId } = wrong.body;
      for (const { status, body } of [used, neverSent]) {
        expect(status).toBe(401);
        expect(body).toEqual({ ...withoutId, instance: expect.any(String) });
      }
    });

    it('rejects the right code after five wrong ones', async () => {
      const phone_number = someNumber();
      await post('/signup', { phone_number });
      const code = await api.codeFor(phone_number);
      for (const guess of times(5, (i) => String(i).repeat(6)).map((g) =>
        g === code ? wrongCode(code) : g,
      )) {
        await post('/signup', { phone_number, otp: guess });
      }
      expect((await post('/signup', { phone_number, otp: code })).status).toBe(401);
    });

    it('sends no code during the cool-down', async () => {
      const phone_number = someNumber();
      expect((await patient.client.post('/signup', { phone_number })).status).toBe(200);
      const { status, body, headers } = await patient.client.post('/signup', { phone_number });
      expect(status).toBe(429);
      expect(body).toMatchObject({ code: 'rate_limited', limit: 'cool_down' });
      expect(headers.get('retry-after')).toBe(String(body.retry_after));
      expect(Math.abs(body.retry_after - 3_600)).toBeLessThan(60);
    });

    it('sends the same code again after the cool-down', async () => {
      const phone_number = someNumber();
      await post('/signup', { phone_number });
      const code = await api.codeFor(phone_number);
      await afterCoolDown(() => post('/signup', { phone_number }));
      const messages = await secondMessage(phone_number);
      expect(messages.map((message) => message.code)).toEqual([code, code]);
    });

    it('recognises a number in any notation', async () => {
      const phone_number = someNumber();
      const national = phone_number.slice(2).replace(/(\d{3})(\d{3})(\d{4})/, '($1) $2-$3');
      await post('/signup', { phone_number: national });
      const code = await api.codeFor(phone_number);
      const spaced = `${code.slice(0, 3)} ${code.slice(3)}`;
      const { body } = await post('/signup', {
        phone_number: `  ${phone_number.replace('+', '＋')} `,
        otp: spaced,
      });
      expect(body.data.phone_number).toBe(phone_number);
    });
  });

  describe('/v1/verifications', () => {
    it('opens a verification and reports the delivery of its message', async () => {
      const phone_number = someNumber();
      const { status, headers, body } = await post('/v1/verifications', {
        phone_number,
        channel: 'sms',
        locale: 'en',
      });
      expect(status).toBe(202);
      expect(headers.get('location')).toBe(`/v1/verifications/${body.id}`);
      expect(body).toEqual({
        id: expect.stringMatching(/^[\w-]{22}$/),
        status: 'pending',
        phone_number,
        channel: 'sms',
        code_length: 6,
        attempts_left: 5,
        created_at: expect.any(String),
        expires_at: expect.any(String),
        resend_at: expect.any(String),
        delivery: { status: 'queued', reason: null, updated_at: expect.any(String) },
      });
      expect(Date.parse(body.expires_at) - Date.parse(body.created_at)).toBe(5 * 60_000);
      await waitFor('the message', async () => {
        const now = await api.client.get(`/v1/verifications/${body.id}`);
        return now.body.delivery.status === 'delivered';
      });
    });

    it('exchanges the right code for a session, once', async () => {
      const { path, code, phone_number } = await openVerification(api, { name: 'Ada' });
      const { status, body } = await post(`${path}/check`, { code });
      expect(status).toBe(200);
      expect(body).toEqual({
        token: expect.stringMatching(/^[A-Z2-7]{26}$/),
        token_type: 'Bearer',
        expires_at: expect.any(String),
        refresh_token: expect.stringMatching(/^[A-Z2-7]{26}$/),
        refresh_expires_at: expect.any(String),
        session_id: expect.any(String),
        is_new_user: true,
        device_token: expect.stringMatching(/^[\w-]{72}$/),
        user: expect.objectContaining({ name: 'Ada', phone_number }),
      });
      const again = await post(`${path}/check`, { code });
      expect(again.status).toBe(410);
      expect(again.body).toMatchObject({ code: 'verification_closed', verification_status: 'approved' });
    });

    it('counts attempts down and closes after the last', async () => {
      const { path, code } = await openVerification(api);
      const answers = [];
      for (let i = 0; i < 5; i += 1) answers.push(await post(`${path}/check`, { code: wrongCode(code) }));
      expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
      expect(answers.map(({ body }) => body.attempts_left)).toEqual([4, 3, 2, 1, 0]);
      const right = await post(`${path}/check`, { code });
      expect(right.status).toBe(410);
      expect(right.body).toMatchObject({ verification_status: 'max_attempts_reached' });
      expect((await api.client.get(path)).body.status).toBe('max_attempts_reached');
    });

    it('cancels a verification', async () => {
      const { path, code } = await openVerification(api);
      expect((await api.client.delete(path)).status).toBe(204);
      expect((await api.client.get(path)).body.status).toBe('canceled');
      for (const answer of [
        await post(`${path}/check`, { code }),
        await post(`${path}/resend`),
        await api.client.delete(path),
      ]) {
        expect(answer.status).toBe(410);
        expect(answer.body).toMatchObject({ code: 'verification_closed', verification_status: 'canceled' });
      }
    });

    it('sends no code before resend_at', async () => {
      const opened = await patient.client.post('/v1/verifications', { phone_number: someNumber() });
      const early = await patient.client.post(`/v1/verifications/${opened.body.id}/resend`);
      expect(early.status).toBe(429);
      expect(Number(early.headers.get('retry-after'))).toBe(early.body.retry_after);
      expect(Date.parse(opened.body.resend_at) - Date.parse(opened.body.created_at)).toBe(3_600_000);
    });

    it('sends the same code again from resend_at', async () => {
      const phone_number = someNumber();
      const opened = await post('/v1/verifications', { phone_number });
      const path = `/v1/verifications/${opened.body.id}`;
      const code = await api.codeFor(phone_number);
      expect(Date.parse(opened.body.resend_at)).toBeLessThanOrEqual(Date.now() + 1_000);
      const resent = await afterCoolDown(() => post(`${path}/resend`, { channel: 'sms' }));
      expect(resent.headers.get('etag')).toMatch(/^"[\w-]{22}"$/);
      expect(resent.headers.get('etag')).not.toBe(opened.headers.get('etag'));
      // The second cool-down of the policy is longer.
      const { resend_at, delivery } = resent.body;
      expect(Date.parse(resend_at) - Date.parse(delivery.updated_at)).toBeGreaterThan(1_000);
      const messages = await secondMessage(phone_number);
      expect(messages[0].code).toBe(code);
    });

    it('answers unknown and malformed ids with 404', async () => {
      for (const id of ['AAAAAAAAAAAAAAAAAAAAAA', 'x', '%00', 'constructor', '..%2f..']) {
        for (const answer of [
          await api.client.get(`/v1/verifications/${id}`),
          await post(`/v1/verifications/${id}/check`, { code: '123456' }),
          await post(`/v1/verifications/${id}/resend`),
          await api.client.delete(`/v1/verifications/${id}`),
        ]) {
          expect(answer.status).toBe(404);
          expect(answer.body.code).toBe('not_found');
        }
      }
    });

    it('rejects the code of another verification of the same number', async () => {
      const first = await openVerification(api);
      const { body: second } = await afterCoolDown(() =>
        post('/v1/verifications', { phone_number: first.phone_number }),
      );
      const code = await waitFor('another code', async () => {
        const newest = await api.codeFor(first.phone_number);
        return newest !== first.code && newest;
      });
      expect((await post(`/v1/verifications/${second.id}/check`, { code: first.code })).status).toBe(401);
      expect((await post(`${first.path}/check`, { code })).status).toBe(401);
      expect((await post('/signup', { phone_number: first.phone_number, otp: code })).status).toBe(401);
    });
  });

  describe('under parallel requests', () => {
    it('creates at most one session for 500 right codes at once', async () => {
      const { id, path, code } = await openVerification(api);
      const answers = await Promise.all(times(500, () => post(`${path}/check`, { code })));
      const tokens = await api.database.query('select from tokens where verification_id = $1', [id]);
      // A busy machine may answer 503 to the one that succeeds, and to all who still have an attempt.
      expect(answers.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
      expect(tokens.length).toBeLessThanOrEqual(1);
      expect(unexpected(answers, [200, 410, 503])).toEqual([]);
    });

    it('creates one session for 500 right codes', async () => {
      const { path, code } = await openVerification(api);
      const check = () => post(`${path}/check`, { code });
      const answers = await mapInFlight(times(500, Number), check, BURST);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(unexpected(answers, [200, 410, 503])).toEqual([]);
    });

    it('compares at most five of 500 guesses and rejects the right code afterwards', async () => {
      const { path, code } = await openVerification(api);
      const wrong = times(499, () => post(`${path}/check`, { code: wrongCode(code) }));
      const answers = await Promise.all(wrong);
      const last = await post(`${path}/check`, { code });
      expect(answers.filter(({ body }) => body.code === 'code_rejected').length).toBeLessThanOrEqual(5);
      expect(unexpected(answers, [401, 410, 503])).toEqual([]);
      expect(last.status).toBe(410);
    });

    it('opens one sign-up for 50 requests for one number', async () => {
      const phone_number = someNumber();
      const ask = () => patient.client.post('/signup', { phone_number });
      const answers = await mapInFlight(times(50, String), ask, BURST);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(49);
    });
  });
});
