import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddAppHash0000000000009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table verifications add column app_hash text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table verifications drop column app_hash');
  }
}
