import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds all verifications of a number, not only the open ones. */
export class IndexNumbers0000000000012 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'create index verifications_number on verifications (phone_index, purpose, created_at)',
    );
    await runner.query('drop index verifications_open');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `create index verifications_open on verifications (phone_index, purpose, created_at) where status = 'pending'`,
    );
    await runner.query('drop index verifications_number');
  }
}
