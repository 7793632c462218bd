import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The number of an event, masked: the user may have another one by the time the event is read. */
export class MaskNumbersOfEvents0000000000020 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table events add column phone_masked text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table events drop column phone_masked');
  }
}
