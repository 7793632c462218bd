import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The abuse policy's charge of each message, so that a message that cost nothing is refunded once and exactly. */
export class AddCharges0000000000011 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table verifications add column charges text[] not null default '{}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table verifications drop column charges');
  }
}
