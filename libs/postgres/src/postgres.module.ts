import { type DynamicModule, Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Database } from './database.js';

/** Longer than any statement needs; a request must get its answer while its caller still waits. */
const STATEMENT_TIMEOUT_MS = 1_500;
const CONNECTIONS = 20;

@Global()
@Module({})
export class PostgresModule {
  static forRoot(url: string): DynamicModule {
    return {
      module: PostgresModule,
      imports: [
        TypeOrmModule.forRoot({
          type: 'postgres',
          url,
          autoLoadEntities: true,
          retryAttempts: 0,
          poolSize: CONNECTIONS,
          connectTimeoutMS: STATEMENT_TIMEOUT_MS,
          // The server ends a slow statement; the client gives up on a server that does not even do that.
          extra: {
            statement_timeout: STATEMENT_TIMEOUT_MS,
            query_timeout: STATEMENT_TIMEOUT_MS + 500,
            application_name: 'latchkey',
          },
        }),
      ],
      providers: [Database],
      exports: [Database],
    };
  }
}
