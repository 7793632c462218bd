import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The queue: see docs/decisions/0058. */
export class CreateTasks0000000000013 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table tasks (
        id text primary key,
        name text not null,
        data jsonb not null,
        tries integer not null default 0,
        max_tries integer not null,
        due_at timestamptz not null default clock_timestamp(),
        holder uuid
      )`);
    await runner.query('create index tasks_due on tasks (due_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table tasks');
  }
}
