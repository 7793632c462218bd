import { type RunningApi, someNumber, startApi } from '../support/api.js';
import type { Answer } from '../support/client.js';
import { modes } from '../support/databases.js';
import { waitFor } from '../support/wait.js';

const times = <T>(n: number, what: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => what(i));
/** A machine that is busy with something else may answer 503 in time rather than 410 late. */
const others = (answers: Answer[], expected: number[]) =>
  answers.filter(({ status }) => !expected.includes(status));
const another = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

describe.each(modes)('Signing in on $name', (mode) => {
  let api: RunningApi;
  const post = (path: string, body?: unknown) => api.client.post(path, body);

  beforeAll(async () => {
    api = await startApi(mode, { DEFAULT_REGION: 'US', LIMIT_COOL_DOWN: '1s,2s' });
  });
  afterAll(() => api.stop());

  async function signUp(phone_number: string, members: object = {}) {
    await post('/signup', { phone_number, ...members });
    return post('/signup', { phone_number, otp: await api.codeFor(phone_number) });
  }

  async function open(phone_number = someNumber(), members: object = {}) {
    const { body } = await post('/v1/verifications', { phone_number, ...members });
    const code = await api.codeFor(phone_number);
    return { id: body.id as string, phone_number, code, path: `/v1/verifications/${body.id}` };
  }

  describe('POST /signup', () => {
    it('sends a code, and trades it for a user and a token', async () => {
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
          id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
          created_at: expect.stringMatching(/Z$/),
          name: 'Ada',
          phone_number,
          version: 1,
        },
        token: expect.stringMatching(/^[A-Z2-7]{26}$/),
        expires_at: expect.stringMatching(/Z$/),
      });
      const hoursLeft = (Date.parse(signedUp.body.expires_at) - Date.now()) / 3_600_000;
      expect(hoursLeft).toBeCloseTo(48, 1);
    });

    it('gives a token that the protected route accepts', async () => {
      const { body } = await signUp(someNumber());
      const answer = await api.client.as(body.token).get('/protected');
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({ message: expect.any(String), user: body.data });
    });

    it('takes the name of the second half before that of the first', async () => {
      const phone_number = someNumber();
      await post('/signup', { phone_number, name: 'Ada' });
      const { body } = await post('/signup', {
        phone_number,
        name: 'Grace',
        otp: await api.codeFor(phone_number),
      });
      expect(body.data.name).toBe('Grace');
    });

    it('takes the name that was given last for a code', async () => {
      const phone_number = someNumber();
      await post('/signup', { phone_number, name: 'Adda' });
      await waitFor('the end of the cool-down', async () => {
        return (await post('/signup', { phone_number, name: 'Ada' })).status === 200;
      });
      const { body } = await post('/signup', { phone_number, otp: await api.codeFor(phone_number) });
      expect(body.data.name).toBe('Ada');
    });

    it('sends a new code when the old one has hardly any life left', async () => {
      const otp = { ...api.config.otp, ttlMs: 14_000 };
      const brief = await startApi(mode, { LIMIT_COOL_DOWN: '1s' }, { otp });
      const phone_number = someNumber();
      await brief.client.post('/signup', { phone_number });
      const code = await brief.codeFor(phone_number);
      await waitFor('the end of the cool-down', async () => {
        return (await brief.client.post('/signup', { phone_number })).status === 200;
      });
      const another = await waitFor('another code', async () => {
        const newest = await brief.codeFor(phone_number);
        return newest !== code && newest;
      });
      const { status } = await brief.client.post('/signup', { phone_number, otp: another });
      await brief.stop();
      expect(status).toBe(200);
    });

    it('finds the same user again, whatever name is given then', async () => {
      const phone_number = someNumber();
      const first = await signUp(phone_number, { name: 'Ada' });
      const again = await waitFor('the end of the cool-down', async () => {
        const { status } = await post('/signup', { phone_number, name: 'Eve' });
        return status === 200;
      }).then(() => post('/signup', { phone_number, otp: 'unused' }));
      expect(again.status).toBe(401);
      const second = await waitFor('the new code', async () => {
        const answer = await post('/signup', { phone_number, otp: await api.codeFor(phone_number) });
        return answer.status === 200 && answer;
      });
      expect(second.body.data).toEqual(first.body.data);
      expect(second.body.token).not.toBe(first.body.token);
    });

    it('answers the same for a known and an unknown number', async () => {
      const known = someNumber();
      await signUp(known);
      const [a, b] = await Promise.all([
        waitFor('the end of the cool-down', async () => {
          const answer = await post('/signup', { phone_number: known });
          return answer.status === 200 && answer;
        }),
        post('/signup', { phone_number: someNumber() }),
      ]);
      expect(a.body).toEqual(b.body);
      const names = (headers: Headers) => [...headers.keys()].sort();
      expect(names(a.headers)).toEqual(names(b.headers));
    });

    it('does not tell wrong, used and never-sent codes apart', async () => {
      const phone_number = someNumber();
      await post('/signup', { phone_number });
      const code = await api.codeFor(phone_number);
      const wrong = await post('/signup', { phone_number, otp: another(code) });
      await post('/signup', { phone_number, otp: code });
      const used = await post('/signup', { phone_number, otp: code });
      const neverSent = await post('/signup', { phone_number: someNumber(), otp: code });

      expect(wrong.status).toBe(401);
      expect(wrong.body).toMatchObject({ code: 'code_rejected', error: wrong.body.title });
      expect(wrong.body).not.toHaveProperty('attempts_left');
      const { instance: _, ...withoutId } = wrong.body;
      for (const { status, body } of [used, neverSent]) {
        expect(status).toBe(401);
        expect(body).toEqual({ ...withoutId, instance: expect.any(String) });
      }
    });

    it('takes no more than five guesses', async () => {
      const phone_number = someNumber();
      await post('/signup', { phone_number });
      const code = await api.codeFor(phone_number);
      for (const guess of times(5, (i) => String(i).repeat(6)).map((g) => (g === code ? another(code) : g))) {
        await post('/signup', { phone_number, otp: guess });
      }
      expect((await post('/signup', { phone_number, otp: code })).status).toBe(401);
    });

    it('sends the same code again, but not before the cool-down is over', async () => {
      const phone_number = someNumber();
      await post('/signup', { phone_number });
      const code = await api.codeFor(phone_number);
      const early = await post('/signup', { phone_number });
      expect(early.status).toBe(429);
      expect(early.body).toMatchObject({ code: 'rate_limited', limit: 'cool_down', retry_after: 1 });
      expect(early.headers.get('retry-after')).toBe('1');

      await waitFor(
        'the end of the cool-down',
        async () => (await post('/signup', { phone_number })).status === 200,
      );
      const messages = await waitFor('the second message', async () => {
        const { body } = await api.client.get(`/dev/inbox/messages?to=${encodeURIComponent(phone_number)}`);
        return body.length === 2 && body;
      });
      expect(messages.map((m: { code: string }) => m.code)).toEqual([code, code]);
    });

    it('reads one number however it is written', async () => {
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
    it('opens a verification, and tells how its message fares', async () => {
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

    it('trades the right code for a session, once', async () => {
      const { path, code, phone_number } = await open(undefined, { name: 'Ada' });
      const { status, body } = await post(`${path}/check`, { code });
      expect(status).toBe(200);
      expect(body).toEqual({
        token: expect.stringMatching(/^[A-Z2-7]{26}$/),
        token_type: 'Bearer',
        expires_at: expect.any(String),
        is_new_user: true,
        device_token: expect.stringMatching(/^[\w-]{72}$/),
        user: expect.objectContaining({ name: 'Ada', phone_number }),
      });
      const again = await post(`${path}/check`, { code });
      expect(again.status).toBe(410);
      expect(again.body).toMatchObject({ code: 'verification_closed', verification_status: 'approved' });
    });

    it('counts wrong codes down, then takes none', async () => {
      const { path, code } = await open();
      const answers = [];
      for (let i = 0; i < 5; i += 1) answers.push(await post(`${path}/check`, { code: another(code) }));
      expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
      expect(answers.map(({ body }) => body.attempts_left)).toEqual([4, 3, 2, 1, 0]);
      const right = await post(`${path}/check`, { code });
      expect(right.status).toBe(410);
      expect(right.body).toMatchObject({ verification_status: 'max_attempts_reached' });
      expect((await api.client.get(path)).body.status).toBe('max_attempts_reached');
    });

    it('can be given up', async () => {
      const { path, code } = await open();
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

    it('sends the same code again from resend_at on', async () => {
      // The code comes when it comes, and the cool-down does not wait for it.
      const phone_number = someNumber();
      const opened = await post('/v1/verifications', { phone_number });
      const path = `/v1/verifications/${opened.body.id}`;
      const early = await post(`${path}/resend`);
      const code = await api.codeFor(phone_number);
      expect(early.status).toBe(429);
      expect(Number(early.headers.get('retry-after'))).toBe(early.body.retry_after);

      expect(Date.parse(opened.body.resend_at)).toBeLessThanOrEqual(Date.now() + 1_000);
      const resent = await waitFor('the end of the cool-down', async () => {
        const answer = await post(`${path}/resend`, { channel: 'sms' });
        return answer.status === 202 && answer;
      });
      // The second wait is the longer one of the policy.
      expect(Date.parse(resent.body.resend_at) - Date.now()).toBeGreaterThan(1_000);
      const messages = await waitFor('the second message', async () => {
        const inbox = await api.client.get(`/dev/inbox/messages?to=${encodeURIComponent(phone_number)}`);
        return inbox.body.length === 2 && inbox.body;
      });
      expect(messages[0].code).toBe(code);
    });

    it('knows no other ids, whatever their form', async () => {
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

    it('is bound to whoever asked: the code of one does not open another of the same number', async () => {
      const first = await open();
      const second = await waitFor('the end of the cool-down', async () => {
        const { status, body } = await post('/v1/verifications', { phone_number: first.phone_number });
        return status === 202 && body;
      });
      const code = await waitFor('another code', async () => {
        const newest = await api.codeFor(first.phone_number);
        return newest !== first.code && newest;
      });
      expect((await post(`/v1/verifications/${second.id}/check`, { code: first.code })).status).toBe(401);
      expect((await post(`${first.path}/check`, { code })).status).toBe(401);
      expect((await post('/signup', { phone_number: first.phone_number, otp: code })).status).toBe(401);
    });
  });

  describe('under attack', () => {
    it('makes one session of 500 parallel right codes', async () => {
      const { path, code } = await open();
      const answers = await Promise.all(times(500, () => post(`${path}/check`, { code })));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(others(answers, [200, 410, 503])).toEqual([]);
    });

    it('compares at most five of 500 parallel guesses, and refuses the right one that comes last', async () => {
      const { path, code } = await open();
      const wrong = times(499, () => post(`${path}/check`, { code: another(code) }));
      const answers = await Promise.all(wrong);
      const last = await post(`${path}/check`, { code });
      expect(answers.filter(({ body }) => body.code === 'code_rejected').length).toBeLessThanOrEqual(5);
      expect(others(answers, [401, 410, 503])).toEqual([]);
      expect(last.status).toBe(410);
    });

    it('opens one sign-up of 50 parallel requests for one number', async () => {
      const phone_number = someNumber();
      const answers = await Promise.all(times(50, () => post('/signup', { phone_number })));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(49);
    });
  });
});
