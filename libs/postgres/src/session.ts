import type { ClientBase } from 'pg';

/** The part of a session that differs between our pools. */
export interface SessionOptions {
  readonly schema: string;
  /** 0: no timeout. */
  readonly statementTimeoutMs: number;
}

/**
 * The settings that our SQL and the driver rely on. A database or a role may have other defaults. Settings of
 * the operator stay as they are: `default_transaction_read_only`, `synchronous_commit`, memory and costs.
 */
const RELIED_ON = {
  DateStyle: 'ISO, MDY', // the driver parses no other style
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  array_nulls: 'on',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  default_transaction_isolation: 'read committed', // the others make ordinary races fail with 40001
  lock_timeout: '0', // the statement timeout bounds waits for locks
  idle_in_transaction_session_timeout: '10000',
  idle_session_timeout: '0', // a pool keeps idle connections
  transaction_timeout: '0',
  // A connection keeps the plan of a prepared statement. A plan that is made while a table is small would read all of it, and still
  // do so when the table has grown. Without the scans that this forbids, Postgres uses the index.
  enable_seqscan: 'off',
  jit: 'off', // older versions compile a plan that has no index to use, because its cost is then set to billions
};

/** Sets what the server's version knows: `transaction_timeout` came with Postgres 17. */
const APPLY = `
  select set_config(name, value, false)
    from unnest($1::text[], $2::text[]) as wanted (name, value)
   where current_setting(name, true) is not null`;

/**
 * Returns the function that prepares a new connection. It uses SQL, because PgBouncer refuses a connection with
 * settings among its startup parameters.
 */
export function sessionSetup(options: SessionOptions): (client: ClientBase) => Promise<void> {
  const settings: Record<string, string> = {
    ...RELIED_ON,
    search_path: quoteName(options.schema),
    statement_timeout: String(options.statementTimeoutMs),
  };
  const values = [Object.keys(settings), Object.values(settings)];
  return async (client) => {
    await client.query(APPLY, values);
  };
}

/** Quotes a name for SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
