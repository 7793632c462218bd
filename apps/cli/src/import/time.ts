/** RFC 3339, and the way in which Postgres writes a time. Without a zone it is in UTC. */
const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** The zero value of Go's `time.Time`. */
const ZERO_OF_GO = Date.parse('0001-01-01T00:00:00Z');

/** Returns null if there is no time, and undefined for what is not a time between 1970 and now. */
export function pastTimeOf(
  given: string | Date | null | undefined,
  now = new Date(),
): Date | null | undefined {
  if (given === undefined || given === null) return null;
  if (typeof given === 'string' && given.trim() === '') return null;
  const time = given instanceof Date ? given : instantOf(given);
  if (time?.getTime() === ZERO_OF_GO) return null;
  return time && time.getTime() >= 0 && time <= now ? time : undefined;
}

/** Returns null for what is not a time. */
export function instantOf(text: string): Date | null {
  const [, date, time = '00:00', zone = 'Z'] = TIME.exec(text.trim()) ?? [];
  if (date === undefined || !isInCalendar(date)) return null;
  const [, hours, minutes = '00'] = /^([+-]\d\d):?(\d\d)?$/.exec(zone) ?? [];
  const instant = new Date(`${date}T${time}${hours === undefined ? 'Z' : `${hours}:${minutes}`}`);
  return Number.isNaN(instant.getTime()) ? null : instant;
}

/** JavaScript reads February 30th as a day in March. */
function isInCalendar(date: string): boolean {
  const day = new Date(`${date}T00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(date);
}
