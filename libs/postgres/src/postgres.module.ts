import { Global, Module } from '@nestjs/common';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { Database } from './database.js';

export abstract class PostgresOptions {
  abstract readonly url: string;
}

/** Longer than any statement needs, and short enough to answer a request before its client gives up. */
const STATEMENT_TIMEOUT_MS = 1_500;
const CONNECTIONS = 20;

/** The connection to Postgres. The application provides `PostgresOptions`. */
@Global()
@Module({
  imports: [TypeOrmModule.forRootAsync({ inject: [PostgresOptions], useFactory: connectionOptions })],
  providers: [Database],
  exports: [Database],
})
export class PostgresModule {}

function connectionOptions({ url }: PostgresOptions): TypeOrmModuleOptions {
  return {
    type: 'postgres',
    url,
    autoLoadEntities: true,
    retryAttempts: 0,
    poolSize: CONNECTIONS,
    connectTimeoutMS: STATEMENT_TIMEOUT_MS,
    // The server ends a slow statement; query_timeout is for a server that no longer responds.
    extra: {
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS + 500,
      application_name: 'latchkey',
    },
  };
}
