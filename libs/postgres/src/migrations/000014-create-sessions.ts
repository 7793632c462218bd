import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Sessions, which tokens and refresh tokens belong to: see docs/decisions/0066. */
export class CreateSessions0000000000014 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table sessions (
        id           uuid primary key,
        user_id      uuid not null references users on delete cascade,
        created_at   timestamptz not null default clock_timestamp(),
        last_used_at timestamptz not null default clock_timestamp(),
        expires_at   timestamptz not null,
        address      text,
        user_agent   text,
        label        text,
        method       text not null,
        ended_at     timestamptz,
        end_reason   text
      )`);
    await runner.query('create index sessions_user on sessions (user_id, id)');
    await runner.query('create index sessions_expiry on sessions (expires_at)');
    await runner.query(`
      create table refresh_tokens (
        hash       bytea primary key,
        session_id uuid not null references sessions on delete cascade,
        generation integer not null,
        used_at    timestamptz,
        unique (session_id, generation)
      )`);
    await runner.query('alter table users add column locale text');
    // Tokens of a refresh have no verification; tokens from before this migration have no session.
    await runner.query(`
      alter table tokens
        alter column verification_id drop not null,
        add column session_id uuid references sessions on delete cascade`);
    await runner.query('create index tokens_session on tokens (session_id) where session_id is not null');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('delete from tokens where verification_id is null');
    await runner.query(
      'alter table tokens drop column session_id, alter column verification_id set not null',
    );
    await runner.query('alter table users drop column locale');
    await runner.query('drop table refresh_tokens');
    await runner.query('drop table sessions');
  }
}
