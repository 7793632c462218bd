import type { MigrationInterface, QueryRunner } from 'typeorm';

export class AddSignUpClients0000000000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table verifications
        add column clients     jsonb not null default '{}',
        add column attempts_by jsonb not null default '{}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table verifications drop column clients, drop column attempts_by');
  }
}
