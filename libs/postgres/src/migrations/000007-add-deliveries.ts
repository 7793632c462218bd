import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddDeliveries0000000000007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table verifications
        add column delivery_reason       text,
        add column delivery_sender       text not null default 'twilio',
        add column delivery_provider_id  text,
        add column delivery_first        smallint not null default 1,
        add column delivery_retried      boolean not null default false,
        add column delivery_fallback     text not null default 'none',
        add column delivery_requested_at timestamptz not null default clock_timestamp(),
        add column delivery_version      integer not null default 1`);
    await runner.query('update verifications set delivery_first = sends');
    await runner.query(
      `create index verifications_overdue on verifications (delivery_requested_at)
        where delivery_fallback = 'open' and delivery_status in ('queued', 'accepted')`,
    );
    await runner.query(`
      create table bad_numbers (
        phone_index text not null,
        channel     text not null,
        sender      text not null,
        failure     jsonb not null,
        expires_at  timestamptz not null,
        primary key (phone_index, channel, sender)
      )`);
    await runner.query('create index bad_numbers_expiry on bad_numbers (expires_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table bad_numbers');
    await runner.query('drop index verifications_overdue');
    await runner.query(`
      alter table verifications
        drop column delivery_reason, drop column delivery_sender, drop column delivery_provider_id,
        drop column delivery_first, drop column delivery_retried, drop column delivery_fallback,
        drop column delivery_requested_at, drop column delivery_version`);
  }
}
