import type pg from 'pg';
import { type ImportedToken, LARGEST_LEGACY_ID } from '#auth';
import { onConnection } from '#postgres';
import type { Source } from './source.js';
import type { SourceRecord } from './source-record.js';

/** Users read at once. */
const BATCH = 500;

/** The driver relies on the formats. The role and the database may have others. */
const SETUP = `
  set session characteristics as transaction read only;
  set datestyle to 'ISO, MDY';
  set timezone to 'UTC';
  set bytea_output to 'hex'`;

const LAST_ID = 'select coalesce(max(id), 0)::text as id from users';

/** `order by id` would be the order of the text. */
const USERS = `
  select id::text, phone_number::text, name::text, created_at::timestamptz from users where id > $1::bigint order by users.id limit ${BATCH}`;

/** Other hashes than SHA-256 could not be found here, and every token needs a scope and an end. */
const TOKENS = `
  select user_id::text, hash, scope::text, expiry::timestamptz from tokens
   where user_id = any($1::bigint[]) and expiry > now() and isfinite(expiry) and scope is not null
     and length(hash) = 32`;

const TABLES =
  'users (id bigint, phone_number text, name text, created_at timestamptz) and tokens (user_id bigint, hash bytea, expiry timestamptz, scope text)';

/** The columns that are missing, or that have a type which the statements above cannot read. */
const OTHER_COLUMNS = `
  select relation || '.' || name || coalesce(' is of the type ' || type, ' is missing') as fault
    from (values ('users', 'id', '{bigint,integer,smallint}'), ('users', 'phone_number', null), ('users', 'name', null),
                 ('users', 'created_at', '{timestamp with time zone,timestamp without time zone,date}'),
                 ('tokens', 'user_id', '{bigint,integer,smallint}'), ('tokens', 'hash', '{bytea}'),
                 ('tokens', 'expiry', '{timestamp with time zone,timestamp without time zone,date}'),
                 ('tokens', 'scope', null)) as needed (relation, name, types)
    left join lateral (
      select format_type(atttypid, null) as type from pg_attribute
       where attrelid = to_regclass(relation) and attname = name and not attisdropped
    ) as found on true
   where type is null or type <> all (types::text[])`;

interface UserRow {
  readonly id: string;
  readonly phone_number: string | null;
  readonly name: string | null;
  readonly created_at: Date | number | null;
}

interface TokenRow {
  readonly user_id: string;
  readonly hash: Buffer;
  readonly scope: string;
  readonly expiry: Date;
}

/** Runs work with the users of a Go server, whose database is only read. */
export async function withGoSource<T>(url: string, work: (source: Source) => Promise<T>): Promise<T> {
  return onConnection(url, async (client) => {
    await client.query(SETUP);
    await requireTables(client);
    const [last] = await rowsOf<{ id: string }>(client, LAST_ID, []);
    const lastId = Number(last?.id ?? 0);
    let done = 0;
    async function* records(): AsyncGenerator<SourceRecord> {
      for await (const record of readUsers(client)) {
        done = Number(record.id);
        yield record;
      }
    }
    return work({ lastId, total: lastId, done: () => done, records: records(), namesNumbers: true });
  });
}

/** @throws Error that names the columns. */
async function requireTables(client: pg.Client): Promise<void> {
  const faults = (await rowsOf<{ fault: string }>(client, OTHER_COLUMNS, [])).map(({ fault }) => fault);
  if (faults.length === 0) return;
  throw new Error(`it does not have the tables of the Go server, ${TABLES}: ${faults.join(', ')}`);
}

async function* readUsers(client: pg.Client): AsyncGenerator<SourceRecord & { readonly id: string }> {
  let after = '-9223372036854775808';
  for (;;) {
    const users = await rowsOf<UserRow>(client, USERS, [after]);
    if (users.length === 0) return;
    const tokens = await tokensOf(client, users);
    for (const user of users) yield { ...recordOf(user), tokens: tokens.get(user.id) ?? [] };
    after = (users.at(-1) as UserRow).id;
  }
}

function recordOf({ id, phone_number, name, created_at }: UserRow): SourceRecord & { readonly id: string } {
  const isKept = Number(id) >= 1 && Number(id) <= LARGEST_LEGACY_ID;
  return {
    ...{ id, place: `user ${id}`, phoneNumber: phone_number ?? '', name },
    // The driver returns `infinity` as a number.
    createdAt: typeof created_at === 'number' ? String(created_at) : created_at,
    ...(isKept && { legacyId: Number(id) }),
  };
}

async function tokensOf(client: pg.Client, users: readonly UserRow[]): Promise<Map<string, ImportedToken[]>> {
  const rows = await rowsOf<TokenRow>(client, TOKENS, [users.map(({ id }) => id)]);
  return rows.reduce((byUser, { user_id, hash, scope, expiry }) => {
    const token = { hash, scope, expiresAt: expiry };
    return byUser.set(user_id, [...(byUser.get(user_id) ?? []), token]);
  }, new Map<string, ImportedToken[]>());
}

async function rowsOf<Row extends pg.QueryResultRow>(
  client: pg.Client,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  return (await client.query<Row>(text, values)).rows;
}
