import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateAbuseStates0000000000006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table abuse_states (
        key        text primary key,
        version    bigint not null,
        state      text not null,
        expires_at timestamptz not null,
        held_until bigint
      )`);
    await runner.query('create index abuse_states_expiry on abuse_states (expires_at)');
    await runner.query(
      'create index abuse_states_held on abuse_states (held_until) where held_until is not null',
    );
    // Returns false and writes nothing if the version of any state has changed since it was read.
    // Locks the rows in the order of their keys, so that two writers cannot deadlock.
    await runner.query(`
      create function write_abuse_states(
        keys text[], versions bigint[], states text[], lives bigint[], holds bigint[]
      ) returns boolean language plpgsql as $$
      declare written integer;
      begin
        insert into abuse_states as s (key, version, state, expires_at, held_until)
          select given.key, given.version + 1, given.state,
                 clock_timestamp() + given.life * interval '1 millisecond', given.hold
            from unnest(keys, versions, states, lives, holds) as given (key, version, state, life, hold)
           order by given.key
          on conflict (key) do update
            set version = excluded.version, state = excluded.state,
                expires_at = excluded.expires_at, held_until = excluded.held_until
            where s.version = excluded.version - 1;
        get diagnostics written = row_count;
        if written < cardinality(keys) then raise exception using errcode = 'LKCAS'; end if;
        return true;
      exception when sqlstate 'LKCAS' then return false;
      end $$`);
    await runner.query(
      `alter table verifications add column device text, add column tickets text[] not null default '{}'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table verifications drop column device, drop column tickets');
    await runner.query('drop function write_abuse_states');
    await runner.query('drop table abuse_states');
  }
}
