import type { EventFacts } from '../abuse-events.js';
import type { AbuseOptions } from '../abuse-options.js';
import type { Policy } from '../policy.js';
import type { Draft } from '../state/shared-state.js';
import {
  describeGauge,
  type Gauge,
  isRaised,
  isRaisedEverywhere,
  type RaisedCountries,
  withRaised,
} from './guess-gauge.js';
import {
  dayOf,
  forgive,
  type Guessable,
  type GuessOutcome,
  knownDeviceGuess,
  unknownDeviceGuess,
} from './guess-ledger.js';
import { deviceKey, gaugeOf, RAISED, recordOf, saveGauge, saveRecord } from './guess-states.js';

/** A guess that was counted, unless its outcome is a refusal. */
export interface CountedGuess {
  readonly outcome: GuessOutcome;
  /** Warnings of gauges that it raised. */
  readonly raised: readonly EventFacts[];
}

/** A number that is guessed at: the keys of its states, and its country. */
export interface GuessedNumber {
  readonly key: string;
  readonly gauge: string;
  readonly country: string;
}

const RAISED_KEPT_MS = 2 * 86_400_000;

/** Counts a guess of a known device on its own record. */
export function countOfKnownDevice(
  draft: Draft,
  policy: Policy,
  device: string,
  guessable: Guessable,
  now: number,
): CountedGuess {
  const key = deviceKey(device);
  const record = recordOf(draft, key);
  const outcome = knownDeviceGuess(policy, record, guessable, now);
  saveRecord(draft, key, record);
  return { outcome, raised: [] };
}

/** Counts a guess of an unknown device on the record of the number and in the gauge of its country, unless it is refused. */
export function countOfUnknownDevice(
  draft: Draft,
  options: AbuseOptions,
  number: GuessedNumber,
  guessable: Guessable,
  now: number,
  isEnforced: boolean,
): CountedGuess {
  const [record, gauge] = [recordOf(draft, number.key), gaugeOf(draft, number.gauge)];
  const outcome = unknownDeviceGuess(options, record, gauge, guessable, now, isEnforced);
  if (outcome.outcome !== 'compare') return { outcome, raised: [] };
  saveRecord(draft, number.key, record);
  saveGauge(draft, number.gauge, gauge);
  return { outcome, raised: noteRaised(draft, options.policy, gauge, number.country, now) };
}

/** Takes back the wrong guesses before a right code: they were typos. */
export function forgiveTypos(
  draft: Draft,
  number: GuessedNumber,
  device: string | null,
  guessable: Guessable,
  now: number,
): void {
  const [record, gauge] = [recordOf(draft, number.key), gaugeOf(draft, number.gauge)];
  if (record.open.some(({ id }) => id === guessable.id)) {
    forgive(record, gauge, guessable, now);
    saveRecord(draft, number.key, record);
    saveGauge(draft, number.gauge, gauge);
  }
  if (device === null) return;
  const own = recordOf(draft, deviceKey(device));
  forgive(own, null, guessable, now);
  saveRecord(draft, deviceKey(device), own);
}

/** Notes that the gauge of a country is raised. Returns the warnings, once a day for each country. */
function noteRaised(draft: Draft, policy: Policy, gauge: Gauge, country: string, now: number): EventFacts[] {
  const today = dayOf(now);
  if (!isRaised(policy, gauge, today)) return [];
  const before = draft.get<RaisedCountries>(RAISED);
  const after = withRaised(before, country, today);
  if (after === before) return [];
  draft.set(RAISED, after, { ttlMs: RAISED_KEPT_MS });
  const warning = { country, ...describeGauge(policy, gauge, today) };
  const isNewlyEverywhere =
    isRaisedEverywhere(policy, after, today) && !isRaisedEverywhere(policy, before, today);
  return isNewlyEverywhere ? [warning, { country: 'all', raised: after.countries.join(', ') }] : [warning];
}
