import type { StoredVerification } from './verification-store.js';

/** SQL by property of a stored verification; properties of `route` and `delivery` are nested. */
type PerProperty<T> = Readonly<{
  [Property in keyof T]: Property extends 'route' | 'delivery'
    ? Readonly<Record<keyof T[Property], string>>
    : string;
}>;

/** All but the time of the reading, which is no column. */
type Stored = Omit<StoredVerification, 'readAt'>;

/** The columns of `verifications`. This one list generates the insert, the select list and the row mapping. */
const COLUMNS: PerProperty<Stored> = {
  id: 'id',
  purpose: 'purpose',
  phoneIndex: 'phone_index',
  phoneSealed: 'phone_sealed',
  sessionId: 'session_id',
  apiClient: 'api_client',
  name: 'name',
  locale: 'locale',
  appHash: 'app_hash',
  device: 'device',
  tickets: 'tickets',
  charges: 'charges',
  codeLength: 'code_length',
  secretId: 'secret_id',
  status: 'status',
  attemptsLeft: 'attempts_left',
  clients: 'clients',
  attemptsBy: 'attempts_by',
  createdAt: 'created_at',
  expiresAt: 'expires_at',
  resendAt: 'resend_at',
  messageCount: 'sends',
  route: { channel: 'channel', provider: 'delivery_sender' },
  delivery: {
    status: 'delivery_status',
    reason: 'delivery_reason',
    providerId: 'delivery_provider_id',
    firstMessage: 'delivery_first',
    retried: 'delivery_retried',
    fallback: 'delivery_fallback',
    requestedAt: 'delivery_requested_at',
    updatedAt: 'delivery_updated_at',
    version: 'delivery_version',
  },
};

export const UNCLAIMED = '(claimed_until is null or claimed_until <= clock_timestamp())';

/** The stored status records decisions only; the clock and the attempts give the rest. */
const STATUS = `
  case
    when status <> 'pending' then status
    when not ${UNCLAIMED} then 'approved'
    when expires_at <= clock_timestamp() then 'expired'
    when attempts_left = 0 then 'max_attempts_reached'
    else 'pending'
  end`;

/** As JSON, which is read faster than Postgres's text of an array. */
const LISTS = { tickets: 'to_jsonb(tickets)', charges: 'to_jsonb(charges)' };

const READ = [...flat({ ...COLUMNS, ...LISTS, status: STATUS }), ['readAt', 'clock_timestamp()']] as const;

/** The select list of a verification, with the time of the reading. */
export const VERIFICATION_COLUMNS = READ.map(([property, sql]) => `${sql} as "${property}"`).join(', ');

/** A row of `VERIFICATION_COLUMNS`: values by the path of their property, such as `delivery.status`. */
export type VerificationRow = Readonly<Record<string, unknown>>;

/** Returns `insert into verifications (…) select …` with an SQL expression for every column. */
export function insertOf(expressions: PerProperty<Stored>): string {
  const values = new Map(flat(expressions));
  const columns = flat(COLUMNS);
  return `insert into verifications (${columns.map(([, column]) => column).join(', ')})
     select ${columns.map(([property]) => values.get(property)).join(', ')}`;
}

/** Paths, split into the property and its member. */
const PATHS = READ.map(
  ([path]) => [path, ...path.split('.')] as [path: string, property: string, member?: string],
);

/** A verification without values. A copy of it gets them: see docs/decisions/0084. */
const EMPTY = emptyOf(PATHS.filter(([, , member]) => member === undefined).map(([, property]) => property));
const EMPTY_MEMBERS = {
  route: emptyOf(Object.keys(COLUMNS.route)),
  delivery: emptyOf(Object.keys(COLUMNS.delivery)),
};

export function verificationOf(row: VerificationRow): StoredVerification {
  const nested: Readonly<Record<string, Record<string, unknown>>> = {
    route: { ...EMPTY_MEMBERS.route },
    delivery: { ...EMPTY_MEMBERS.delivery },
  };
  const verification: Record<string, unknown> = { ...EMPTY, ...nested };
  for (const [path, property, member] of PATHS) {
    if (member === undefined) verification[property] = row[path];
    else (nested[property] as Record<string, unknown>)[member] = row[path];
  }
  return verification as unknown as StoredVerification;
}

function emptyOf(properties: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(properties.map((property) => [property, null]));
}

/** Returns SQL by the path of its property. */
function flat(perProperty: PerProperty<Stored>): [path: string, sql: string][] {
  return Object.entries(perProperty).flatMap(([property, sql]) => {
    if (typeof sql === 'string') return [[property, sql] as [string, string]];
    return Object.entries(sql).map(([member, inner]): [string, string] => [`${property}.${member}`, inner]);
  });
}
