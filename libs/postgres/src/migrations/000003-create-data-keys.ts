import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateDataKeys0000000000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table data_keys (
        only_one  boolean primary key default true check (only_one),
        secret_id text not null,
        sealed    bytea not null
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table data_keys');
  }
}
