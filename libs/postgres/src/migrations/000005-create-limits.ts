import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateLimits0000000000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // The columns that rate-limiter-flexible requires; `expire` is in milliseconds since 1970.
    await runner.query(`
      create table limits (
        key    varchar(255) primary key,
        points integer not null default 0,
        expire bigint
      )`);
    await runner.query('create index limits_expiry on limits (expire)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table limits');
  }
}
