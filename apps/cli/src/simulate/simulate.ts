import { type Policy, PolicyFault, readPolicy } from '#abuse';
import { EXIT_CONFIGURATION, Failure } from '../failure.js';
import { withProgress } from '../progress.js';
import { ROOT } from '../root.js';
import { drawGuessing, drawPumping } from './charts.js';
import { simulateGuessing } from './guess.js';
import { guessJson, guessTable } from './guess-report.js';
import { simulatePumping } from './pump.js';
import { pumpJson, pumpTable } from './pump-report.js';

export interface SimulateOptions {
  readonly policy?: string;
  readonly seed: number;
  readonly json?: boolean;
}

export async function guess({ policy: file, seed, json }: SimulateOptions): Promise<void> {
  const policy = policyOrFailure(file);
  const outcomes = await withProgress((onProgress) => simulateGuessing({ policy, seed, onProgress }));
  await drawGuessing(ROOT, outcomes);
  process.stdout.write(`${json ? guessJson(outcomes) : guessTable(outcomes)}\n`);
}

export async function pump({ policy: file, seed, json }: SimulateOptions): Promise<void> {
  const policy = policyOrFailure(file);
  const outcomes = await withProgress((onProgress) => simulatePumping({ policy, seed, onProgress }));
  await drawPumping(ROOT, outcomes);
  process.stdout.write(`${json ? pumpJson(outcomes) : pumpTable(outcomes)}\n`);
}

function policyOrFailure(file: string | undefined): Policy {
  try {
    return readPolicy(file ?? null);
  } catch (error) {
    if (error instanceof PolicyFault) throw new Failure(`--policy: ${error.message}`, EXIT_CONFIGURATION);
    throw error;
  }
}
