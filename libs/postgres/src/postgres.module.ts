import { Global, Module } from '@nestjs/common';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import pg from 'pg';
import { withVerifiedTls } from './connection.js';
import { Database } from './database.js';
import type { PoolShares } from './pool-shares.js';
import { DatabaseSchema, findSchema } from './schemas.js';
import { sessionSetup } from './session.js';

export abstract class PostgresOptions {
  abstract readonly url: string;
  /** DATABASE_SCHEMA. Default: the schema of the installation in the database. */
  abstract readonly schema?: string | null;
  /** Default: a pool of 20 and one listener. */
  abstract readonly connections?: PoolShares;
  /** The longest wait for a connection, and for a statement. Default: 1.5 s. */
  abstract readonly timeoutMs?: number;
}

/** Longer than any statement needs, and short enough to answer a request before its client gives up. */
const TIMEOUT_MS = 1_500;

/** The server ends a slow statement. The driver waits a little longer, for a server that no longer responds. */
const DRIVER_WAITS_MS = 500;

const CONNECTIONS = 20;

/** Finds the schema of the installation, once for the pool and for what else needs it. */
@Global()
@Module({
  providers: [
    {
      provide: DatabaseSchema,
      inject: [PostgresOptions],
      useFactory: ({ url, schema }: PostgresOptions) => findSchema(url, schema),
    },
  ],
  exports: [DatabaseSchema],
})
class SchemasModule {}

/** The connection to Postgres. The application provides `PostgresOptions`. */
@Global()
@Module({
  imports: [
    SchemasModule,
    TypeOrmModule.forRootAsync({
      imports: [SchemasModule],
      inject: [PostgresOptions, DatabaseSchema],
      useFactory: connectionOptions,
    }),
  ],
  providers: [Database],
  exports: [Database],
})
export class PostgresModule {}

function connectionOptions(
  { url, connections, timeoutMs = TIMEOUT_MS }: PostgresOptions,
  schema: DatabaseSchema,
): TypeOrmModuleOptions {
  return {
    type: 'postgres',
    driver: pg, // TypeORM would load another copy beside the bundle, whose errors are of another class
    url: withVerifiedTls(url),
    autoLoadEntities: true,
    retryAttempts: 0,
    poolSize: connections?.pool ?? CONNECTIONS,
    connectTimeoutMS: timeoutMs,
    extra: {
      onConnect: sessionSetup({ schema: schema.name, statementTimeoutMs: timeoutMs }),
      query_timeout: timeoutMs + DRIVER_WAITS_MS,
      application_name: 'latchkey',
    },
  };
}
