import { validateSync } from 'class-validator';
import type { AppConfig } from './app-config.js';
import { ConfigurationError, type ConfigurationFault } from './configuration-error.js';
import { contradictions } from './contradictions.js';
import { Environment } from './environment.js';
import { toAppConfig } from './to-app-config.js';

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Reads, checks and freezes the configuration.
 *
 * @throws ConfigurationError
 */
export function readConfig(variables: Variables = process.env): AppConfig {
  const environment = withDefaults(variables);
  const faults = [...brokenRules(environment), ...contradictions(environment)];
  if (faults.length > 0) throw new ConfigurationError(faults);
  return freeze(toAppConfig(environment));
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
