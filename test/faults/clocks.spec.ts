import { mainlyOn } from '../support/databases.js';
import { Deployment } from '../support/deployment.js';
import type { FakeTwilio } from '../support/fake-twilio.js';
import { CAN_FAKE_TIME, clockShiftedBy } from '../support/faketime.js';
import { someNumber } from '../support/phone-numbers.js';
import type { ServerProcess } from '../support/server-process.js';
import { BRIEF_COOL_DOWN } from '../support/settings.js';
import { afterCoolDown, codeIn } from '../support/verifications.js';
import { waitFor } from '../support/wait.js';

const SIX_MINUTES_S = 360;
const CODE_LIFE_MS = 300_000;
const TOKEN_LIFE_MS = 48 * 3_600_000;

/** Longer than anything here takes, and far shorter than the clocks differ. */
const TOLERANCE_MS = 30_000;

/** The clocks of this spec and of the stores are right. */
const expectIn = (ms: number, date: string) =>
  expect(Math.abs(Date.parse(date) - Date.now() - ms)).toBeLessThan(TOLERANCE_MS);

(CAN_FAKE_TIME ? describe : describe.skip).each(mainlyOn('redis'))(
  'A server on $name with a wrong clock',
  (mode) => {
    describe.each([
      { shift: '+6m', sign: -1, direction: 'ahead of' },
      { shift: '-6m', sign: 1, direction: 'behind' },
    ])('($shift)', ({ shift, sign, direction }) => {
      let deployment: Deployment;
      let twilio: FakeTwilio;
      let server: ServerProcess;

      beforeAll(async () => {
        deployment = await Deployment.open(mode);
        twilio = deployment.twilio;
        server = await deployment.start({ ...clockShiftedBy(shift), ...BRIEF_COOL_DOWN });
      });
      afterAll(() => deployment.close());

      it('sends a code of the usual life, sends it again, and signs in for the usual time', async () => {
        const { client } = server;
        const phone_number = someNumber();
        // A queue that is full once must not delay the message by the difference of the clocks.
        twilio.answer({ refuse: 21611 });
        const { status, body } = await client.post('/v1/verifications', { phone_number, locale: 'en' });
        expect(status).toBe(202);
        expectIn(CODE_LIFE_MS, body.expires_at);
        const path = `/v1/verifications/${body.id}`;
        await waitFor('the message', () => twilio.messagesTo(phone_number).length === 1);
        await afterCoolDown(() => client.post(`${path}/resend`));
        await waitFor('the second message', () => twilio.messagesTo(phone_number).length === 2);
        for (const { body: text, validityPeriod } of twilio.messagesTo(phone_number)) {
          expect(text).toContain('5 minutes');
          expect(validityPeriod).toBeLessThanOrEqual(300);
          expect(validityPeriod).toBeGreaterThan(270);
        }
        const code = codeIn(twilio.messagesTo(phone_number)[0]);
        const session = await client.post(`${path}/check`, { code });
        expect(session.status).toBe(200);
        expectIn(TOKEN_LIFE_MS, session.body.expires_at);
        expect((await client.as(session.body.token).get('/protected')).status).toBe(200);
      });

      it('logs by how much, and shows it as a metric', async () => {
        const stores = ['postgres', ...(mode.redis ? ['redis'] : [])];
        for (const store of stores) {
          await waitFor('the warning', () =>
            new RegExp(`this server is 3[56]\\d s ${direction} that of ${store}`).test(server.output),
          );
          const metrics = (await server.client.get('/metrics')).body as string;
          const [, skew] =
            new RegExp(`latchkey_clock_skew_seconds\\{store="${store}"\\} (\\S+)`).exec(metrics) ?? [];
          expect(Math.abs(Number(skew) - sign * SIX_MINUTES_S)).toBeLessThan(5);
        }
      });
    });
  },
);
