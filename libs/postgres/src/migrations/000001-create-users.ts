import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateUsers0000000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table users (
        id           uuid primary key,
        created_at   timestamptz not null default now(),
        name         text,
        phone_index  text not null unique,
        phone_sealed text not null,
        version      integer not null default 1
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table users');
  }
}
