import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateVerifications0000000000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table verifications (
        id                  text primary key,
        purpose             text not null,
        phone_index         text not null,
        phone_sealed        text not null,
        name                text,
        locale              text,
        channel             text not null,
        code_length         smallint not null,
        secret_id           text not null,
        status              text not null check (status in ('pending', 'approved', 'canceled')),
        attempts_left       smallint not null check (attempts_left >= 0),
        claimed_until       timestamptz,
        created_at          timestamptz not null,
        expires_at          timestamptz not null,
        resend_at           timestamptz not null,
        sends               smallint not null,
        delivery_status     text not null,
        delivery_updated_at timestamptz not null
      )`);
    await runner.query(
      `create index verifications_open on verifications (phone_index, purpose, created_at) where status = 'pending'`,
    );
    await runner.query(
      `create index verifications_unsent on verifications (delivery_updated_at) where delivery_status = 'queued'`,
    );
    await runner.query('create index verifications_expiry on verifications (expires_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table verifications');
  }
}
