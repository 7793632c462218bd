import { mostPaid, type PumpOutcome } from './pump.js';
import { table } from './table.js';

const HASHES_PER_CPU_HOUR = 3_600 * 1_000_000;

export function pumpJson(outcomes: readonly PumpOutcome[]): string {
  const scenarios = outcomes.map((outcome) => {
    const { name, hours, genuine, attack } = outcome;
    return {
      name,
      hours,
      genuine: { offered: genuine.offered, sent: genuine.sentAtOnce + genuine.sentAfterProof },
      attack: {
        offered: attack.offered,
        paid: attack.paid,
        most_paid_in_an_hour: mostPaid(outcome, 1),
        most_paid_in_a_day: mostPaid(outcome, 24),
      },
    };
  });
  return JSON.stringify({ scenarios });
}

export function pumpTable(outcomes: readonly PumpOutcome[]): string {
  const genuineColumns = ['genuine', 'at once', 'after proof', 'blocked'];
  const attackColumns = ['attack', 'paid', 'in an hour', 'in a day', 'CPU hours'];
  const head = ['scenario', 'hours', ...genuineColumns, ...attackColumns];
  const rows = outcomes.map((outcome) => {
    const { name, hours, genuine, attack } = outcome;
    return [
      name,
      hours,
      genuine.offered,
      genuine.sentAtOnce,
      genuine.sentAfterProof,
      genuine.blocked,
      attack.offered,
      attack.paid,
      mostPaid(outcome, 1),
      mostPaid(outcome, 24),
      (attack.hashes / HASHES_PER_CPU_HOUR).toFixed(1),
    ];
  });
  return `${table(head, rows)}\n\n${EXPLANATION}`;
}

const EXPLANATION =
  'The breaker alone, without rate limits and spending caps.\n' +
  'In an hour, in a day: the most that was paid in such a period.\n' +
  'CPU hours: time the attacker spends on proofs of work, at 1 M hashes/s.';
