import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Events that the receiver of webhooks has not taken yet: see docs/decisions/0076. */
export class CreateWebhookMessages0000000000022 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table webhook_messages (
        id           uuid primary key default gen_random_uuid(),
        type         text not null,
        data         jsonb not null,
        phone_sealed text,
        created_at   timestamptz not null default clock_timestamp(),
        expires_at   timestamptz not null,
        tries        integer not null default 0,
        next_try_at  timestamptz not null default clock_timestamp()
      )`);
    await runner.query('create index webhook_messages_due on webhook_messages (next_try_at)');
    await runner.query('create index webhook_messages_expiry on webhook_messages (expires_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table webhook_messages');
  }
}
