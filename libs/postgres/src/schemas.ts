import { onConnection } from './connection.js';
import { quoteName } from './session.js';

/** The schema that an installation of Latchkey uses. */
export abstract class DatabaseSchema {
  abstract readonly name: string;
}

/** The schema to use, and what is in it. */
export interface SchemaChoice extends DatabaseSchema {
  readonly isInstalled: boolean;
  /** Schemas of other installations, where DATABASE_SCHEMA names one without an installation. */
  readonly otherInstallations: readonly string[];
}

/** The parts of a database that decide which schema to use. */
export interface DatabaseContent {
  /** The first schema of the role's own search path, if it is empty or ours. */
  readonly own: string | null;
  /** The schemas with Latchkey's tables. */
  readonly installations: readonly string[];
}

export const DEFAULT_SCHEMA = 'latchkey';

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
  )
  select array(select schema from installations order by 1) as installations,
         (select current_schema()::text
           where current_schema() <> 'public'
             and (current_schema() in (select schema from installations)
                  or current_schema() not in (select schema from relations))) as own`;

/**
 * Finds the schema of the installation in the database, or chooses one for a new one: see docs/decisions/0049.
 *
 * @param configured DATABASE_SCHEMA.
 */
export async function findSchema(url: string, configured: string | null = null): Promise<SchemaChoice> {
  const content = await onConnection(
    url,
    async (client) => (await client.query<DatabaseContent>(FIND)).rows[0],
  );
  return chooseSchema(content as DatabaseContent, configured);
}

export function chooseSchema(content: DatabaseContent, configured: string | null): SchemaChoice {
  const { installations } = content;
  const name = configured ?? installationOf(content) ?? content.own ?? DEFAULT_SCHEMA;
  const isInstalled = installations.includes(name);
  return { name, isInstalled, otherInstallations: isInstalled ? [] : installations };
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
