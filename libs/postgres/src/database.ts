import { types } from 'node:util';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import pg from 'pg';
import {
  DataSource,
  type EntityManager,
  QueryRunnerAlreadyReleasedError,
  QueryRunnerProviderAlreadyReleasedError,
} from 'typeorm';
import { AppError, RolledBack, Unavailable } from '#errors';
import { NEWEST_MIGRATION } from './migrate.js';

/** The entity manager of a transaction: its work is committed whole or rolled back. */
export type Transaction = EntityManager;

/** A prepared statement: Postgres parses and plans a name once per connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/**
 * The connection was lost before the answer, or two transactions conflicted: worth one more try. 23503: another one deleted
 * the row that this one refers to.
 * A time-out is not: the caller has waited long enough.
 */
const RETRIED = new Set(['08006', '57P01', '40001', '40P01', '23503', 'ECONNRESET', 'EPIPE']);
const CONNECTION_LOST = /^Connection terminated( unexpectedly)?$/;

/** TypeORM's errors for a connection that was lost between two statements of a transaction. */
const RELEASED = [QueryRunnerAlreadyReleasedError, QueryRunnerProviderAlreadyReleasedError];

/**
 * SQLSTATE classes that mean "not now" rather than "wrong": connection, insufficient resources, object not in
 * prerequisite state, operator intervention, system error, transaction rollback.
 */
const UNAVAILABLE = new Set(['08', '53', '55', '57', '58', '40']);
const READ_ONLY = '25006';

/** Serialization failure, deadlock, lock not available, and the statement timeout, which also bounds waits for locks. */
const ROLLED_BACK = new Set(['40001', '40P01', '55P03', '57014']);

/** The tables that every sign-in writes to. */
const WRITTEN = [
  'users',
  'sessions',
  'tokens',
  'refresh_tokens',
  'verifications',
  'abuse_states',
  'bad_numbers',
  'events',
  'webhook_messages',
];

const READINESS = {
  name: 'readiness',
  text: `
    select concat_ws(', ',
      case when current_setting('transaction_read_only') = 'on' then 'read-only' end,
      (select 'a migration is missing' where not exists (select from migrations where name = $1)),
      (select 'not writable: ' || string_agg(name, ' ') from unnest($2::text[]) as name
        where not coalesce(has_table_privilege(to_regclass(name), 'insert'), false))
    ) as faults`,
};

/** Access to Postgres: prepared statements, repository calls, transactions, and one error when it does not answer. */
@Injectable()
export class Database implements BeforeApplicationShutdown {
  /** True from the begin of the shutdown on: long work should end soon. */
  isClosing = false;

  constructor(@InjectDataSource() private readonly source: DataSource) {}

  beforeApplicationShutdown(): void {
    this.isClosing = true;
  }

  /** The driver's pool below TypeORM, for libraries that run SQL of their own. */
  get pool(): pg.Pool {
    return (this.source.driver as unknown as { master: pg.Pool }).master;
  }

  /**
   * Runs a prepared statement on the driver's pool, without TypeORM: see docs/decisions/0018.
   *
   * @throws Unavailable
   */
  async run<Row extends pg.QueryResultRow>(statement: Statement, values: unknown[] = []): Promise<Row[]> {
    try {
      const { rows } = await this.pool.query<Row>({ values, ...statement });
      return rows;
    } catch (error) {
      throw explained(error);
    }
  }

  /**
   * Runs a prepared statement, and once more when the connection was lost or another transaction conflicted. So the
   * statement must give the same result when it runs twice.
   *
   * @throws Unavailable
   */
  async runIdempotent<Row extends pg.QueryResultRow>(
    statement: Statement,
    values: unknown[],
  ): Promise<Row[]> {
    try {
      return (await this.pool.query<Row>({ values, ...statement })).rows;
    } catch (error) {
      if (!isWorthARetry(error)) throw explained(error);
    }
    return this.run<Row>(statement, values);
  }

  /**
   * Waits for a call of a TypeORM repository outside a transaction.
   *
   * @throws Unavailable
   */
  async answerOf<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      throw explained(error);
    }
  }

  /** @throws Unavailable */
  async ping(): Promise<void> {
    await this.run({ name: 'ping', text: 'select 1' });
  }

  /**
   * Returns the time by Postgres's clock.
   *
   * @throws Unavailable
   */
  async now(): Promise<Date> {
    const [row] = await this.run<{ now: Date }>({ name: 'now', text: 'select clock_timestamp() as now' });
    return (row as { now: Date }).now;
  }

  /**
   * Fails while requests would fail: without an answer, without the tables of this version, or without the right to
   * write them. A standby and a full managed database are read-only.
   *
   * @throws Unavailable
   */
  async assertReady(): Promise<void> {
    const [state] = await this.run<{ faults: string }>(READINESS, [NEWEST_MIGRATION, WRITTEN]);
    if (state?.faults) throw new Unavailable('postgres', { cause: new Error(state.faults) });
  }

  /**
   * Runs work in a transaction, and once more when the connection was lost or another transaction conflicted.
   * So the work must give the same result when it runs twice.
   *
   * @throws Unavailable
   */
  async transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    try {
      return await this.source.transaction(work);
    } catch (error) {
      if (!isWorthARetry(error)) throw explained(error);
    }
    try {
      return await this.source.transaction(work);
    } catch (error) {
      throw explained(error);
    }
  }
}

/** True for the error of a statement that refers to a row which another transaction has deleted. */
export function isForeignKeyViolation(error: unknown): boolean {
  return (driverError(error) as { code?: string } | null)?.code === '23503';
}

/** True for the error of a statement whose unique key another transaction has taken. */
export function isUniqueViolation(error: unknown): boolean {
  return (driverError(error) as { code?: string } | null)?.code === '23505';
}

function isWorthARetry(error: unknown): boolean {
  if (error instanceof AppError) return false;
  if (isReleased(error)) return true;
  const { code, message } = driverError(error) as NodeJS.ErrnoException;
  return code ? RETRIED.has(code) : CONNECTION_LOST.test(message);
}

/**
 * Returns Unavailable for an error that means "not now", or RolledBack if Postgres has undone the statement because of others. Any
 * other error is a bug, and returned unchanged.
 */
function explained(error: unknown): unknown {
  if (error instanceof AppError) return error;
  const cause = driverError(error);
  const code = cause instanceof pg.DatabaseError ? (cause.code ?? '') : '';
  if (ROLLED_BACK.has(code)) return new RolledBack('postgres', { cause: error });
  const isUnavailable =
    isReleased(error) || isConnectionError(error) || UNAVAILABLE.has(code.slice(0, 2)) || code === READ_ONLY;
  return isUnavailable ? new Unavailable('postgres', { cause: error }) : error;
}

/** pg reports connection errors without an SQLSTATE. */
function isConnectionError(error: unknown): boolean {
  const cause = driverError(error);
  if (cause instanceof pg.DatabaseError || !types.isNativeError(cause)) return false;
  const { code } = cause as NodeJS.ErrnoException;
  return code ? /^E[A-Z]+$/.test(code) : /connection|timeout|closed|pool|terminat/i.test(cause.message);
}

function isReleased(error: unknown): boolean {
  return RELEASED.some((kind) => error instanceof kind);
}

/** TypeORM wraps what the driver threw. */
function driverError(error: unknown): unknown {
  return (error as { driverError?: unknown } | null)?.driverError ?? error;
}
