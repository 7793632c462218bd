import { Test, type TestingModule } from '@nestjs/testing';
import { PostgresModule, PostgresOptions } from '#postgres';

/** Opens the connections of a process, without the rest of it. */
export function openPostgres(given: PostgresOptions): Promise<TestingModule> {
  const options = {
    global: true,
    module: class Options {},
    providers: [{ provide: PostgresOptions, useValue: given }],
    exports: [PostgresOptions],
  };
  return Test.createTestingModule({ imports: [options, PostgresModule] }).compile();
}
