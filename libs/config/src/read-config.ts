import { validateSync } from 'class-validator';
import type { AppConfig } from './app-config.js';
import { ConfigurationError, type ConfigurationFault } from './configuration-error.js';
import { contradictions } from './contradictions.js';
import { loadEnvFile } from './env-file.js';
import { Environment } from './environment.js';
import { toAppConfig } from './to-app-config.js';
import { warningsOf } from './warnings.js';

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Reads, checks and freezes the configuration.
 *
 * @param variables default: those of the process, and of the file `.env` in the working directory.
 * @throws ConfigurationError
 */
export function readConfig(variables: Variables = ownVariables()): AppConfig {
  const environment = withDefaults(variables);
  const faults = [...brokenRules(environment), ...contradictions(environment)];
  if (faults.length > 0) throw new ConfigurationError(faults);
  const names = Object.keys(variables).filter((name) => variables[name]?.trim());
  return freeze({ ...toAppConfig(environment, names), warnings: warningsOf(environment, names) });
}

/** The variables that concern the database and the log. */
const OF_DATABASE = [
  'NODE_ENV',
  'DATABASE_URL',
  'DATABASE_SCHEMA',
  'REDIS_URL',
  'DATA_DIR',
  'MIGRATE_ON_START',
  'LOG_LEVEL',
] as const satisfies (keyof Environment)[];

/**
 * Reads the variables of the database only, for commands that need no secret and send no message.
 *
 * @throws ConfigurationError
 */
export function readDatabaseConfig(variables: Variables = ownVariables()): AppConfig {
  const environment = withDefaults(Object.fromEntries(OF_DATABASE.map((name) => [name, variables[name]])));
  const isOfDatabase = ({ name }: ConfigurationFault) => OF_DATABASE.some((known) => known === name);
  const faults = [...brokenRules(environment), ...contradictions(environment)].filter(isOfDatabase);
  if (faults.length > 0) throw new ConfigurationError(faults);
  return freeze({ ...toAppConfig(environment, []), warnings: [] });
}

function ownVariables(): Variables {
  loadEnvFile();
  return process.env;
}

/** Puts the given values over the defaults. An empty value counts as unset. */
function withDefaults(variables: Variables): Environment {
  const environment = new Environment();
  for (const name of Object.keys(environment) as (keyof Environment)[]) {
    const value = variables[name]?.trim();
    if (value) environment[name] = value;
  }
  return environment;
}

function brokenRules(environment: Environment): ConfigurationFault[] {
  return validateSync(environment).flatMap(({ property, constraints }) =>
    Object.values(constraints ?? {}).map((rule) => ({ name: property, rule: `must be ${rule}` })),
  );
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (inner && typeof inner === 'object') freeze(inner);
  return Object.freeze(value);
}
