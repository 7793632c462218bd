import { openDatabase } from '#program';
import { configOrFailure } from '../configuration.js';
import { runChecks } from './checks.js';
import { hasFault, textOf } from './finding.js';

const EXIT_FAULT = 1;

/** Prints what it finds, and returns the exit code. */
export async function examine(json: boolean): Promise<number> {
  const config = configOrFailure();
  const database = await openDatabase(config);
  try {
    const findings = await runChecks(config, database.url);
    process.stdout.write(`${json ? JSON.stringify(findings, null, 2) : textOf(findings)}\n`);
    return hasFault(findings) ? EXIT_FAULT : 0;
  } finally {
    await database.stop();
  }
}
