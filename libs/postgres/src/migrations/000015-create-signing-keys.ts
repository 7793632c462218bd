import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The keys of signed tokens: see docs/decisions/0068. */
export class CreateSigningKeys0000000000015 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table signing_keys (
        kid            text primary key,
        public_jwk     jsonb not null,
        private_sealed text not null,
        created_at     timestamptz not null default clock_timestamp()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table signing_keys');
  }
}
