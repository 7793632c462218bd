import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateIdempotentAnswers0000000000008 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // The id is a keyed hash of the request; the answer is sealed with a key that derives from the request.
    await runner.query(`
      create table idempotent_answers (
        id         text primary key,
        claim      text not null,
        answer     text,
        expires_at timestamptz not null
      )`);
    await runner.query('create index idempotent_answers_expiry on idempotent_answers (expires_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table idempotent_answers');
  }
}
