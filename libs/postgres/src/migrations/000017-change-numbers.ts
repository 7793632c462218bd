import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Changes of the number of an account: see docs/decisions/0070. */
export class ChangeNumbers0000000000017 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // The code of a change may be checked only by the session that requested it.
    await runner.query(
      'alter table verifications add column session_id uuid references sessions on delete cascade',
    );
    await runner.query(
      'create index verifications_session on verifications (session_id) where session_id is not null',
    );
    // Messages to the number from before, until they are sent: also when the account is deleted before that.
    await runner.query(`
      create table notices (
        id           uuid primary key,
        phone_sealed text not null,
        locale       text,
        created_at   timestamptz not null default clock_timestamp()
      )`);
    await runner.query('create index notices_age on notices (created_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table notices');
    await runner.query('alter table verifications drop column session_id');
  }
}
