const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
export const DAYS_REMEMBERED = 7;

/** Messages of the whole system: of the current hour, and of the busiest hours before it. */
export interface Volume {
  hour: number;
  messages: number;
  /** The busiest hour of each of the last days. */
  days: [day: number, messages: number][];
}

/** Returns the messages of the busiest remembered hour. */
export function busiestHour({ days }: Volume): number {
  return Math.max(0, ...days.map(([, messages]) => messages));
}

/**
 * Counts one message. The current hour is compared with the busiest ones only after it has ended, so that an attack
 * cannot raise its own limit.
 */
export function addMessage(volume: Volume | undefined, now: number): Volume {
  const hour = Math.floor(now / HOUR_MS);
  if (volume?.hour === hour) return { ...volume, messages: volume.messages + 1 };
  if (!volume) return { hour, messages: 1, days: [] };
  const day = Math.floor((volume.hour * HOUR_MS) / DAY_MS);
  const before = volume.days.find(([d]) => d === day)?.[1] ?? 0;
  const days: Volume['days'] = [
    ...volume.days.filter(([d]) => d !== day && d > day - DAYS_REMEMBERED),
    [day, Math.max(before, volume.messages)],
  ];
  return { hour, messages: 1, days };
}
