/**
 * Rate limits with fixed windows. A window begins with its first point and forgets all its points when it ends.
 *
 * All functions depend on their arguments only and change nothing but the given windows. Times are milliseconds since 1970,
 * by the clock of the store.
 */

/** The windows of one number or one address, by name. */
export type Windows = Record<string, [points: number, endsAt: number]>;

/** The points that are used up, and the time until they are forgotten. */
export interface Count {
  readonly points: number;
  readonly msLeft: number;
}

export function countIn(windows: Windows, name: string, now: number): Count {
  const [points, endsAt] = windows[name] ?? [0, now];
  return endsAt > now ? { points, msLeft: endsAt - now } : { points: 0, msLeft: 0 };
}

/** Takes a point. The first one opens a window of this length. */
export function takePoint(windows: Windows, name: string, lengthMs: number, now: number): Count {
  const { points, msLeft } = countIn(windows, name, now);
  const window = points > 0 ? { points: points + 1, msLeft } : { points: 1, msLeft: lengthMs };
  windows[name] = [window.points, now + window.msLeft];
  return window;
}

/** Deletes the windows that have ended. Returns the time until the last of the others ends. */
export function dropEnded(windows: Windows, now: number): number {
  for (const name of Object.keys(windows)) if (countIn(windows, name, now).points === 0) delete windows[name];
  return Math.max(0, ...Object.values(windows).map(([, endsAt]) => endsAt - now));
}
