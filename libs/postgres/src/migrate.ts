import pg from 'pg';
import { DataSource } from 'typeorm';
import { withVerifiedTls } from './connection.js';
import { CreateUsers0000000000001 } from './migrations/000001-create-users.js';
import { CreateTokens0000000000002 } from './migrations/000002-create-tokens.js';
import { CreateDataKeys0000000000003 } from './migrations/000003-create-data-keys.js';
import { CreateVerifications0000000000004 } from './migrations/000004-create-verifications.js';
import { CreateLimits0000000000005 } from './migrations/000005-create-limits.js';
import { CreateAbuseStates0000000000006 } from './migrations/000006-create-abuse-states.js';
import { AddDeliveries0000000000007 } from './migrations/000007-add-deliveries.js';
import { CreateIdempotentAnswers0000000000008 } from './migrations/000008-create-idempotent-answers.js';
import { AddAppHash0000000000009 } from './migrations/000009-add-app-hash.js';
import { AddSignUpClients0000000000010 } from './migrations/000010-add-sign-up-clients.js';
import { AddCharges0000000000011 } from './migrations/000011-add-charges.js';
import { IndexNumbers0000000000012 } from './migrations/000012-index-numbers.js';
import { CreateTasks0000000000013 } from './migrations/000013-create-tasks.js';
import { CreateSessions0000000000014 } from './migrations/000014-create-sessions.js';
import { CreateSigningKeys0000000000015 } from './migrations/000015-create-signing-keys.js';
import { CreateEvents0000000000016 } from './migrations/000016-create-events.js';
import { ChangeNumbers0000000000017 } from './migrations/000017-change-numbers.js';
import { RecycleNumbers0000000000018 } from './migrations/000018-recycle-numbers.js';
import { CreateAvatars0000000000019 } from './migrations/000019-create-avatars.js';
import { MaskNumbersOfEvents0000000000020 } from './migrations/000020-mask-numbers-of-events.js';
import { AddLegacyIds0000000000021 } from './migrations/000021-add-legacy-ids.js';
import { CreateWebhookMessages0000000000022 } from './migrations/000022-create-webhook-messages.js';
import { VerifyForClients0000000000023 } from './migrations/000023-verify-for-clients.js';
import { DEFAULT_SCHEMA, ensureSchema } from './schemas.js';
import { sessionSetup } from './session.js';

const MIGRATIONS = [
  CreateUsers0000000000001,
  CreateTokens0000000000002,
  CreateDataKeys0000000000003,
  CreateVerifications0000000000004,
  CreateLimits0000000000005,
  CreateAbuseStates0000000000006,
  AddDeliveries0000000000007,
  CreateIdempotentAnswers0000000000008,
  AddAppHash0000000000009,
  AddSignUpClients0000000000010,
  AddCharges0000000000011,
  IndexNumbers0000000000012,
  CreateTasks0000000000013,
  CreateSessions0000000000014,
  CreateSigningKeys0000000000015,
  CreateEvents0000000000016,
  ChangeNumbers0000000000017,
  RecycleNumbers0000000000018,
  CreateAvatars0000000000019,
  MaskNumbersOfEvents0000000000020,
  AddLegacyIds0000000000021,
  CreateWebhookMessages0000000000022,
  VerifyForClients0000000000023,
];

/** The advisory lock that lets one process migrate at a time. The number is arbitrary. */
const MIGRATION_LOCK = 7_403_201;

/** The name of the newest migration, as in the table of applied ones. */
export const NEWEST_MIGRATION = (MIGRATIONS.at(-1) as { name: string }).name;

/**
 * Applies pending migrations, oldest first, and returns their names. Processes that start together wait for each
 * other.
 */
export async function migrate(url: string, schema = DEFAULT_SCHEMA): Promise<string[]> {
  await ensureSchema(url, schema);
  return locked(url, schema, async (source) => {
    const applied = await source.runMigrations({ transaction: 'each' });
    return applied.map(({ name }) => name);
  });
}

/** Reverts the newest applied migration. Returns its name, or null if none is applied. */
export async function revertMigration(url: string, schema = DEFAULT_SCHEMA): Promise<string | null> {
  return locked(url, schema, async (source) => {
    const newest = await newestApplied(source);
    if (newest) await source.undoLastMigration({ transaction: 'each' });
    return newest;
  });
}

/** Returns true if the schema lacks a migration of this version. */
export async function hasPendingMigrations(url: string, schema = DEFAULT_SCHEMA): Promise<boolean> {
  return connected(url, schema, async (source) => {
    // TypeORM would create its table, for which the schema or the right may be missing.
    return (await newestApplied(source)) === null || source.showMigrations();
  });
}

async function newestApplied(source: DataSource): Promise<string | null> {
  const [{ exists }] = await source.query(`select to_regclass('migrations') is not null as exists`);
  const rows = exists ? await source.query('select name from migrations order by id desc limit 1') : [];
  return rows[0]?.name ?? null;
}

async function locked<T>(url: string, schema: string, work: (source: DataSource) => Promise<T>): Promise<T> {
  return connected(url, schema, async (source) => {
    const holder = source.createQueryRunner();
    await holder.connect();
    try {
      await holder.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
      return await work(source);
    } finally {
      await holder.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]).finally(() => holder.release());
    }
  });
}

/** Opens connections of its own, because a migration may exceed the statement timeout of requests. */
async function connected<T>(
  url: string,
  schema: string,
  work: (source: DataSource) => Promise<T>,
): Promise<T> {
  const source = new DataSource({
    type: 'postgres',
    driver: pg,
    url: withVerifiedTls(url),
    migrations: MIGRATIONS,
    connectTimeoutMS: 10_000,
    poolSize: 2, // one holds the lock, the other one migrates
    extra: { onConnect: sessionSetup({ schema, statementTimeoutMs: 0 }), application_name: 'latchkey' },
  });
  await source.initialize();
  try {
    return await work(source);
  } finally {
    await source.destroy();
  }
}
