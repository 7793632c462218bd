import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Verifications for clients of the API: see docs/decisions/0078. */
export class VerifyForClients0000000000023 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Only the client that requested the code of such a verification may check it.
    await runner.query('alter table verifications add column api_client text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table verifications drop column api_client');
  }
}
