import { ConfigurationError, readConfig } from '#config';

/** The least that Twilio needs. */
export const TWILIO = {
  TWILIO_ACCOUNT_SID: `AC${'a'.repeat(32)}`,
  TWILIO_AUTH_TOKEN: 't'.repeat(32),
  TWILIO_FROM: '+14155550100',
};

/** The least that production needs. */
export const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://latchkey@db/latchkey',
  SECRET: 's'.repeat(32),
  ...TWILIO,
};

/** Returns the error that these variables fail with. */
export function configurationErrorOf(variables: Record<string, string | undefined>): ConfigurationError {
  try {
    readConfig(variables);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('expected readConfig to throw, but it accepted these variables');
}
