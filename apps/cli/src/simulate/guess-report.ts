import type { GuessOutcome } from './guess.js';
import { table } from './table.js';

export function guessJson(outcomes: readonly GuessOutcome[]): string {
  const policies = outcomes.map((outcome) => ({
    name: outcome.name,
    takeovers_per_account_year: outcome.takeoversPerAccountYear,
    owner_success: outcome.ownerSuccess,
    owner_success_new_device: outcome.ownerSuccessNewDevice,
    longer_codes_when_calm: outcome.longerCodesWhenCalm,
  }));
  return JSON.stringify({ policies });
}

export function guessTable(outcomes: readonly GuessOutcome[]): string {
  const head = [
    'policy',
    'takeovers/account/year',
    'owner, known device',
    'owner, new device',
    'longer codes when calm',
  ];
  const rows = outcomes.map((outcome) => [
    outcome.name,
    outcome.takeoversPerAccountYear.toPrecision(3),
    percent(outcome.ownerSuccess),
    percent(outcome.ownerSuccessNewDevice),
    percent(outcome.longerCodesWhenCalm),
  ]);
  return table(head, rows);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)} %`;
}
