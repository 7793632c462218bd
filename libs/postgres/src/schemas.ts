import { onConnection } from './connection.js';
import { quoteName } from './session.js';

/** The schemas that an installation of Latchkey uses. */
export abstract class DatabaseSchemas {
  /** The schema of Latchkey's tables. */
  abstract readonly tables: string;
  /** The schema of BullMQ's tables, if the queue is in Postgres. */
  abstract readonly queue: string;
}

/** The schemas to use, and what is in them. */
export interface SchemaChoice extends DatabaseSchemas {
  readonly isInstalled: boolean;
  /** Schemas of other installations, where DATABASE_SCHEMA names one without an installation. */
  readonly otherInstallations: readonly string[];
}

/** The parts of a database that decide which schemas to use. */
export interface DatabaseContent {
  /** The first schema of the role's own search path, if it is empty or ours. */
  readonly own: string | null;
  /** The schemas with Latchkey's tables. */
  readonly installations: readonly string[];
  /** The schemas with BullMQ's tables that the role may use. */
  readonly queues: readonly string[];
}

export const DEFAULT_SCHEMA = 'latchkey';

/** Where versions before DATABASE_SCHEMA kept their queue. */
const OLD_QUEUE_SCHEMA = 'bullmq';

/**
 * Finds installations by columns that no other program has. The catalog is readable without any grant, so an
 * installation that the role may not read is found too.
 */
const FIND = `
  with relations as (
    select n.oid, n.nspname::text as schema, c.relname::text as name, array_agg(a.attname::text) as columns
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
     group by n.oid, n.nspname, c.oid, c.relname
  ), installations as (
    select users.schema
      from relations users join relations ledger using (schema)
     where users.name = 'users' and users.columns @> array['phone_index', 'phone_sealed']
       and ledger.name = 'migrations'
  ), queues as (
    select ledger.schema
      from relations ledger join relations job using (schema)
     where ledger.name = 'migration' and 'min_client_version' = any(ledger.columns) and job.name = 'job'
       and has_schema_privilege(ledger.oid, 'usage')
  )
  select array(select schema from installations order by 1) as installations,
         array(select schema from queues order by 1) as queues,
         (select current_schema()::text
           where current_schema() <> 'public'
             and (current_schema() in (select schema from installations union select schema from queues)
                  or current_schema() not in (select schema from relations))) as own`;

/**
 * Finds the schemas of the installation in the database, or chooses them for a new one: see docs/decisions/0051.
 *
 * @param configured DATABASE_SCHEMA.
 */
export async function findSchemas(url: string, configured: string | null = null): Promise<SchemaChoice> {
  const content = await onConnection(
    url,
    async (client) => (await client.query<DatabaseContent>(FIND)).rows[0],
  );
  return chooseSchemas(content as DatabaseContent, configured);
}

export function chooseSchemas(content: DatabaseContent, configured: string | null): SchemaChoice {
  const { installations, queues } = content;
  const tables = configured ?? installationOf(content) ?? content.own ?? DEFAULT_SCHEMA;
  const isInstalled = installations.includes(tables);
  const hasOldQueue = isInstalled && !queues.includes(tables) && queues.includes(OLD_QUEUE_SCHEMA);
  return {
    tables,
    queue: hasOldQueue ? OLD_QUEUE_SCHEMA : tables,
    isInstalled,
    otherInstallations: isInstalled ? [] : installations,
  };
}

/** Creates the schema unless it exists. `create schema if not exists` needs a right even if the schema exists. */
export async function ensureSchema(url: string, schema: string): Promise<void> {
  await onConnection(url, async (client) => {
    const { rowCount } = await client.query('select from pg_namespace where nspname = $1', [schema]);
    if (rowCount === 0) await client.query(`create schema ${quoteName(schema)}`).catch(unlessDuplicate);
  });
}

/** Of two simultaneous starts the slower one fails, perhaps on the unique index. */
function unlessDuplicate(error: Error & { code?: string }): void {
  if (error.code !== '42P06' && error.code !== '23505') throw error;
}

/** The installation that the role's search path leads to, or else the only one. */
function installationOf({ own, installations }: DatabaseContent): string | undefined {
  if (own !== null && installations.includes(own)) return own;
  if (installations.length < 2) return installations[0];
  throw new Error(
    `this database has several installations of Latchkey, in the schemas ${installations.join(', ')}: set DATABASE_SCHEMA to one of them`,
  );
}
