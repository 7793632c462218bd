import type { TwilioConfig } from '#config';
import type { FakeTwilio } from './fake-twilio.js';

/** Configures a provider that sends through the fake, from a number for messages only. */
export function twilioConfigFor(fake: FakeTwilio, overrides: Partial<TwilioConfig> = {}): TwilioConfig {
  return {
    accountSid: fake.accountSid,
    username: fake.accountSid,
    password: fake.authToken,
    from: '+15005550006',
    messagingServiceSid: null,
    whatsapp: null,
    callFrom: null,
    feedback: false,
    signingTokens: [fake.authToken],
    apiUrl: fake.url,
    ...overrides,
  };
}
