import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When accounts were last used, so that a recycled number does not open one: see docs/decisions/0071. */
export class RecycleNumbers0000000000018 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // Nothing is known about earlier uses, so they count as of now.
    await runner.query('alter table users add column last_used_at timestamptz not null default now()');
    // An account without a number cannot be signed in to.
    await runner.query('alter table users alter column phone_index drop not null');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`update users set phone_index = 'recycled:' || id where phone_index is null`);
    await runner.query('alter table users alter column phone_index set not null, drop column last_used_at');
  }
}
