import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Avatars in two sizes: see docs/decisions/0072. */
export class CreateAvatars0000000000019 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table avatars (
        user_id uuid not null references users on delete cascade,
        pixels  smallint not null,
        hash    text not null,
        image   bytea not null,
        primary key (user_id, pixels)
      )`);
    await runner.query('create index avatars_hash on avatars (hash)');
    // Compressed already.
    await runner.query('alter table avatars alter column image set storage external');
    await runner.query('alter table users add column avatar_large text, add column avatar_small text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table users drop column avatar_large, drop column avatar_small');
    await runner.query('drop table avatars');
  }
}
