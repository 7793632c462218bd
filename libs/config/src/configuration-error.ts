/** A variable and the rule it breaks, never its value: it may be a secret. */
export interface ConfigurationFault {
  readonly name: string;
  readonly rule: string;
}

/** The environment variables are not valid. Lists every fault at once. */
export class ConfigurationError extends Error {
  constructor(readonly faults: readonly ConfigurationFault[]) {
    super(faults.map(({ name, rule }) => `${name}: ${rule}`).join('\n'));
  }
}
