/** RFC 3339, and the way in which Postgres writes a time. Without a zone it is in UTC. */
const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** Returns null for what is not a time, and for times before 1970. */
export function parseTime(given: string | Date): Date | null {
  const time = given instanceof Date ? given : new Date(isoOf(given.trim()));
  return time.getTime() >= 0 ? time : null;
}

function isoOf(text: string): string {
  const [, date = '', time = '00:00', zone = 'Z'] = TIME.exec(text) ?? [];
  const [, hours, minutes = '00'] = /^([+-]\d\d):?(\d\d)?$/.exec(zone) ?? [];
  return `${date}T${time}${hours === undefined ? 'Z' : `${hours}:${minutes}`}`;
}
