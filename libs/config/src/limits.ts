import { parseDurationMs } from './duration.js';

/** The rate limits by the names that `LIMIT_MODE` and the problem `rate_limited` use. */
export const LIMITS = [
  'cool_down',
  'sends_per_number',
  'sends_per_address',
  'sends_per_client',
  'checks_per_address',
  'checks_per_client',
  'guesses_per_number',
] as const;
export type LimitName = (typeof LIMITS)[number];

/** A rate limit: `points` per `seconds`. */
export interface Rate {
  readonly points: number;
  readonly seconds: number;
}

/** Reads `5/10m` as five in ten minutes. Returns null for anything else, and for rates that admit nothing. */
export function parseRate(text: string): Rate | null {
  const [points, duration = '', ...rest] = text.split('/');
  const ms = parseDurationMs(duration);
  if (!/^[1-9]\d{0,8}$/.test(points ?? '') || rest.length > 0 || ms === null || ms < 1_000) return null;
  return { points: Number(points), seconds: Math.floor(ms / 1_000) };
}
