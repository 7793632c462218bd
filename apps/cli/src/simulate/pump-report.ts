import type { PumpOutcome } from './pump.js';
import { table } from './table.js';

const HASHES_PER_CPU_HOUR = 3_600 * 1_000_000;

export function pumpJson(outcomes: readonly PumpOutcome[]): string {
  const scenarios = outcomes.map(({ name, genuine, attack }) => ({
    name,
    genuine: { offered: genuine.offered, sent: genuine.sentAtOnce + genuine.sentAfterProof },
    attack: { offered: attack.offered, paid: attack.paid },
  }));
  return JSON.stringify({ scenarios });
}

export function pumpTable(outcomes: readonly PumpOutcome[]): string {
  const head = ['scenario', 'genuine', 'at once', 'after proof', 'blocked', 'attack', 'paid', 'CPU hours'];
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
  return `${table(head, rows)}\n\n${EXPLANATION}`;
}

const EXPLANATION =
  'The breaker alone, without rate limits and spending caps.\n' +
  'CPU hours: time the attacker spends on proofs of work, at 1 M hashes/s.';
