import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateTokens0000000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // The unique verification_id keeps one code from becoming two tokens, even if everything else fails.
    await runner.query(`
      create table tokens (
        hash            bytea primary key,
        user_id         uuid not null references users on delete cascade,
        scope           text not null,
        verification_id text not null unique,
        created_at      timestamptz not null default now(),
        expires_at      timestamptz not null
      )`);
    await runner.query('create index tokens_user on tokens (user_id, scope)');
    await runner.query('create index tokens_expiry on tokens (expires_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table tokens');
  }
}
