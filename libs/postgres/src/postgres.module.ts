import { Global, Module } from '@nestjs/common';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { withVerifiedTls } from './connection.js';
import { Database } from './database.js';
import type { PoolShares } from './pool-shares.js';
import { DatabaseSchemas, findSchemas } from './schemas.js';
import { sessionSetup } from './session.js';

export abstract class PostgresOptions {
  abstract readonly url: string;
  /** DATABASE_SCHEMA. Default: the schema of the installation in the database. */
  abstract readonly schema?: string | null;
  /** Default: 20 for requests and 10 for the queue. */
  abstract readonly connections?: PoolShares;
}

/** Longer than any statement needs, and short enough to answer a request before its client gives up. */
const STATEMENT_TIMEOUT_MS = 1_500;
const CONNECTIONS = 20;

/** Finds the schemas of the installation, once for all pools. */
@Global()
@Module({
  providers: [
    {
      provide: DatabaseSchemas,
      inject: [PostgresOptions],
      useFactory: ({ url, schema }: PostgresOptions) => findSchemas(url, schema),
    },
  ],
  exports: [DatabaseSchemas],
})
class SchemasModule {}

/** The connection to Postgres. The application provides `PostgresOptions`. */
@Global()
@Module({
  imports: [
    SchemasModule,
    TypeOrmModule.forRootAsync({
      imports: [SchemasModule],
      inject: [PostgresOptions, DatabaseSchemas],
      useFactory: connectionOptions,
    }),
  ],
  providers: [Database],
  exports: [Database],
})
export class PostgresModule {}

function connectionOptions(
  { url, connections }: PostgresOptions,
  { tables }: DatabaseSchemas,
): TypeOrmModuleOptions {
  return {
    type: 'postgres',
    url: withVerifiedTls(url),
    autoLoadEntities: true,
    retryAttempts: 0,
    poolSize: connections?.requests ?? CONNECTIONS,
    connectTimeoutMS: STATEMENT_TIMEOUT_MS,
    extra: {
      onConnect: sessionSetup({ schema: tables, statementTimeoutMs: STATEMENT_TIMEOUT_MS }),
      // The server ends a slow statement; query_timeout is for a server that no longer responds.
      query_timeout: STATEMENT_TIMEOUT_MS + 500,
      application_name: 'latchkey',
    },
  };
}
