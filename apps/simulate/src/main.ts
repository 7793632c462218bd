import path from 'node:path';
import { parseArgs } from 'node:util';
import { PolicyFault, readPolicy } from '#abuse';
import { drawGuessing, drawPumping } from './charts.js';
import { simulateGuessing } from './guess.js';
import { simulatePumping } from './pump.js';
import { table } from './table.js';

/** sysexits.h, EX_CONFIG, as the servers exit with. */
const EXIT_CONFIGURATION = 78;
const EXIT_USAGE = 2;
const USAGE = 'npm run simulate -- guess|pump [--policy FILE] [--seed N] [--json]';
const HASHES_PER_CPU_HOUR = 3_600 * 1_000_000;
/** From dist/apps/simulate/src. */
const ROOT = path.resolve(import.meta.dirname, '../../../..');

type Progress = (done: number, total: number) => void;

const COMMANDS = { guess, pump };

const { command, policyFile, seed, json } = argumentsOrExit();
const policy = policyOrExit(policyFile);
const { progress, stop } = await progressBar();
const text = await COMMANDS[command](progress);
stop();
process.stdout.write(`${text}\n`);

async function pump(onProgress: Progress): Promise<string> {
  const outcomes = simulatePumping({ policy, seed, onProgress });
  await drawPumping(ROOT, outcomes);
  if (json) {
    const scenarios = outcomes.map(({ name, genuine, attack }) => ({
      name,
      genuine: { offered: genuine.offered, sent: genuine.sentAtOnce + genuine.sentAfterProof },
      attack: { offered: attack.offered, paid: attack.paid },
    }));
    return JSON.stringify({ scenarios });
  }
  const rows = outcomes.map(({ name, genuine, attack }) => [
    name,
    genuine.offered,
    genuine.sentAtOnce,
    genuine.sentAfterProof,
    genuine.blocked,
    attack.offered,
    attack.paid,
    (attack.hashes / HASHES_PER_CPU_HOUR).toFixed(1),
  ]);
  const head = ['scenario', 'genuine', 'at once', 'after proof', 'blocked', 'attack', 'paid', 'CPU hours'];
  return `${table(head, rows)}\n\nThe breaker alone, without rate limits and money caps. CPU hours: proofs that attackers solved, at 1 M hashes/s.`;
}

async function guess(onProgress: Progress): Promise<string> {
  const outcomes = simulateGuessing({ policy, seed, onProgress });
  await drawGuessing(ROOT, outcomes);
  if (json) {
    const policies = outcomes.map((outcome) => ({
      name: outcome.name,
      takeovers_per_account_year: outcome.takeoversPerAccountYear,
      owner_success: outcome.ownerSuccess,
      owner_success_new_device: outcome.ownerSuccessNewDevice,
      longer_codes_when_calm: outcome.longerCodesWhenCalm,
    }));
    return JSON.stringify({ policies });
  }
  const rows = outcomes.map((outcome) => [
    outcome.name,
    outcome.takeoversPerAccountYear.toPrecision(3),
    percent(outcome.ownerSuccess),
    percent(outcome.ownerSuccessNewDevice),
    percent(outcome.longerCodesWhenCalm),
  ]);
  const head = [
    'policy',
    'takeovers/account/year',
    'owner, known device',
    'owner, new device',
    'longer codes when calm',
  ];
  return table(head, rows);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)} %`;
}

function argumentsOrExit() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        policy: { type: 'string' },
        seed: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
      },
    });
    // Started by scripts/run.mjs the name of the program comes first.
    const [command, ...others] = positionals[0] === 'simulate' ? positionals.slice(1) : positionals;
    if ((command !== 'guess' && command !== 'pump') || others.length > 0)
      throw new Error('say guess or pump');
    if (!/^\d{1,9}$/.test(values.seed))
      throw new Error('--seed must be a whole number of at most nine digits');
    return {
      command,
      policyFile: values.policy ?? null,
      seed: Number(values.seed),
      json: values.json,
    } as const;
  } catch (error) {
    exitWith(EXIT_USAGE, `${(error as Error).message} (${USAGE})`);
  }
}

function policyOrExit(file: string | null) {
  try {
    return readPolicy(file);
  } catch (error) {
    if (error instanceof PolicyFault) exitWith(EXIT_CONFIGURATION, error.message);
    throw error;
  }
}

async function progressBar(): Promise<{ progress: Progress; stop: () => void }> {
  if (!process.stderr.isTTY) return { progress: () => undefined, stop: () => undefined };
  const { SingleBar } = (await import('cli-progress')).default;
  const bar = new SingleBar({ format: '{bar} {value}/{total}', stream: process.stderr });
  bar.start(1, 0);
  const progress: Progress = (done, total) => {
    bar.setTotal(total);
    bar.update(done);
  };
  return { progress, stop: () => bar.stop() };
}

function exitWith(status: number, sentence: string): never {
  process.stderr.write(`Latchkey cannot simulate: ${sentence}\n`);
  process.exit(status);
}
