import { type AppConfig, ConfigurationError, readConfig } from '#config';
import { EXIT_CONFIGURATION, Failure } from './failure.js';

/** Reads the configuration of the server. */
export function configOrFailure(): AppConfig {
  try {
    return readConfig();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const faults = error.message.replace(/^/gm, '  ');
    throw new Failure(`invalid environment variables:\n${faults}`, EXIT_CONFIGURATION);
  }
}
