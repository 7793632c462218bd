import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The record of security events, by month: see docs/decisions/0069. */
export class CreateEvents0000000000016 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table events (
        id          uuid not null default gen_random_uuid(),
        at          timestamptz not null default clock_timestamp(),
        kind        text not null,
        user_id     uuid,
        session_id  uuid,
        phone_index text,
        address     text,
        request_id  text,
        details     jsonb not null default '{}',
        primary key (at, id)
      ) partition by range (at)`);
    await runner.query('create index events_user on events (user_id, at)');
    await runner.query(`
      do $$
      declare first date;
      begin
        for n in 0..2 loop
          first := date_trunc('month', now()) + n * interval '1 month';
          execute format('create table %I partition of events for values from (%L) to (%L)',
            'events_' || to_char(first, 'YYYY_MM'), first, first + interval '1 month');
        end loop;
      end $$`);
    // Housekeeping creates the later months. If it cannot, events are kept here.
    await runner.query('create table events_default partition of events default');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table events');
  }
}
