import { resolve } from 'node:path';
import type { FakeTwilio } from './fake-twilio.js';

export const SECRET = 'a secret for tests that is long enough';
export const OPERATOR_TOKEN = 'a-token-for-operators';

/** A file with a client whose secret is not known. */
export const CLIENTS_FILE = resolve(import.meta.dirname, '../../docs/clients.example.json');

/** Limits that a spec about anything else never reaches: all its requests come from one address. */
export const GENEROUS = {
  LIMIT_SENDS_PER_NUMBER: '1000000/1h',
  LIMIT_SENDS_PER_ADDRESS: '1000000/1h',
  LIMIT_CHECKS_PER_ADDRESS: '1000000/1h',
  BREAKER_MODE: 'monitor',
  // A busy machine may keep a process from its stores for some seconds.
  DATABASE_TIMEOUT: '15s',
};

/** For a spec of a Postgres that does not answer: the time-out as it is by default. */
export const USUAL_DATABASE_TIMEOUT = { DATABASE_TIMEOUT: '1500ms' };

/** The shortest cool-down that can be configured. */
export const BRIEF_COOL_DOWN = { LIMIT_COOL_DOWN: '1s' };

const TWILIO_FROM = '+15005550006';
export const WHATSAPP = {
  TWILIO_WHATSAPP_FROM: '+15005550007',
  TWILIO_WHATSAPP_CONTENT_SID: `HX${'0'.repeat(32)}`,
};
export const CALL = { TWILIO_CALL_FROM: '+15005550008' };

/** Twilio credentials for servers whose messages need not arrive. */
export const UNREACHABLE_TWILIO = {
  TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
  TWILIO_AUTH_TOKEN: '0'.repeat(32),
  TWILIO_FROM,
  TWILIO_API_URL: 'http://127.0.0.1:9',
};

/** Makes a server send through the fake. */
export function throughTwilio({ accountSid, authToken, url }: FakeTwilio): Record<string, string> {
  return {
    TWILIO_ACCOUNT_SID: accountSid,
    TWILIO_AUTH_TOKEN: authToken,
    TWILIO_FROM,
    TWILIO_API_URL: url,
  };
}
