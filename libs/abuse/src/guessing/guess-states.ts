import { kindOfNumber, type PhoneNumber } from '#phone';
import type { Draft } from '../state/shared-state.js';
import { DEVICE_TOKEN_TTL_MS } from './device-tokens.js';
import { type Gauge, newGauge } from './guess-gauge.js';
import { GUESSES_REMEMBERED_MS, type GuessRecord, newGuessRecord } from './guess-ledger.js';

/** The key of the countries whose gauge is raised. */
export const RAISED = 'gauge-raised';

const EMPTY_KEPT_MS = 60_000;

export function numberKey(phoneIndex: string): string {
  return `number:${phoneIndex}`;
}

export function deviceKey(device: string): string {
  return `device:${device}`;
}

export function recordOf(draft: Pick<Draft, 'get'>, key: string): GuessRecord {
  return draft.get<GuessRecord>(key) ?? newGuessRecord();
}

/** Most sign-ins leave an empty record, which is soon deleted. */
export function saveRecord(draft: Draft, key: string, record: GuessRecord): void {
  const isEmpty = record.open.length + record.foreign.length === 0 && record.devicesSince === undefined;
  const ttlMs = isEmpty ? EMPTY_KEPT_MS : Math.max(GUESSES_REMEMBERED_MS, DEVICE_TOKEN_TTL_MS);
  draft.set(key, record, { ttlMs });
}

/** The gauge of a number's country. */
export function gaugeKey(phoneNumber: PhoneNumber): string {
  return `gauge:${kindOfNumber(phoneNumber).country}`;
}

export function gaugeOf(draft: Pick<Draft, 'get'>, key: string): Gauge {
  return draft.get<Gauge>(key) ?? newGauge();
}

export function saveGauge(draft: Draft, key: string, gauge: Gauge): void {
  draft.set(key, gauge, { ttlMs: GUESSES_REMEMBERED_MS });
}
