import { type RunningApi, startApi } from './api.js';
import type { Mode } from './databases.js';
import { FakeTwilio } from './fake-twilio.js';
import { someNumber } from './phone-numbers.js';
import { BRIEF_COOL_DOWN, CALL, throughTwilio, WHATSAPP } from './settings.js';
import { waitFor } from './wait.js';

export const PUBLIC_URL = 'https://id.example.test';
export const WEBHOOK = '/v1/webhooks/twilio';

/** A server and the fake Twilio that sends it delivery reports. */
export interface ReportingApi {
  readonly api: RunningApi;
  readonly twilio: FakeTwilio;
}

export async function startReporting(
  mode: Mode,
  variables: Record<string, string> = {},
): Promise<ReportingApi> {
  const twilio = await FakeTwilio.start();
  const api = await startApi(mode, {
    ...throughTwilio(twilio),
    PUBLIC_URL,
    ...WHATSAPP,
    ...CALL,
    ...BRIEF_COOL_DOWN,
    ...variables,
  });
  twilio.sendReportsTo(api.client.url);
  return { api, twilio };
}

export async function stopReporting({ api, twilio }: ReportingApi): Promise<void> {
  await twilio.stop();
  await api.stop();
}

/** Opens a verification and waits until Twilio has its first message. */
export async function openAndDeliver({ api, twilio }: ReportingApi, members: object = {}, headers = {}) {
  const phone_number = someNumber();
  const { status, body } = await api.client.post(
    '/v1/verifications',
    { phone_number, ...members },
    { 'accept-language': 'en', ...headers },
  );
  expect([status, body]).toEqual([202, expect.anything()]);
  const messages = () => twilio.messagesTo(phone_number);
  const [first] = await waitFor('the message', () => messages().length > 0 && messages());
  return { path: `/v1/verifications/${body.id}`, phone_number, sid: first?.sid as string, messages };
}
