import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Raw, Repository } from 'typeorm';
import { inBatches } from '#batches';
import type { Route } from '#config';
import { Keys } from '#keys';
import type { Failure } from '#messaging';
import type { PhoneNumber } from '#phone';
import { Database, deleteExpired } from '#postgres';
import { BadNumberEntity } from './bad-number.entity.js';

/** Times are read from Postgres's clock, because the clocks of processes may differ. */
const expiryAfter = (minutes: number) => `clock_timestamp() + interval '${minutes} minutes'`;
const hasNotPassed = Raw((column) => `${column} > clock_timestamp()`);

const FAILURES = {
  name: 'failures of numbers',
  text: `
    select asked.place, failure
      from unnest($1::text[], $2::text[], $3::text[]) with ordinality as asked (phone_index, channel, sender, place)
      join bad_numbers using (phone_index, channel, sender)
     where expires_at > clock_timestamp()`,
};

/** A number, and the route of a message to it. */
interface NumberOnRoute {
  readonly phoneNumber: PhoneNumber;
  readonly route: Route;
}

/** A route by which a number gets no message for a while, and why. */
export interface BadRoute {
  readonly route: Route;
  readonly failure: Pick<Failure, 'code' | 'reason'>;
  readonly until: Date;
}

/** Numbers that a provider reported as unreachable on a channel. They get no message by that route for a while. */
@Injectable()
export class BadNumbersRepository {
  private readonly findFailure = inBatches((numbers: readonly NumberOnRoute[]) => this.failuresOf(numbers));

  constructor(
    @InjectRepository(BadNumberEntity) private readonly numbers: Repository<BadNumberEntity>,
    private readonly database: Database,
    private readonly keys: Keys,
  ) {}

  /**
   * Remembers the number for as long as the failure says.
   *
   * @throws Unavailable
   */
  async remember(phoneNumber: PhoneNumber, route: Route, failure: Failure): Promise<void> {
    const { code, reason, recovery: cure, badForMinutes = 0 } = failure;
    const expiresAt = () => expiryAfter(badForMinutes);
    const entity = { ...this.keyOf(phoneNumber, route), failure: { code, reason, cure }, expiresAt };
    await this.database.answerOf(this.numbers.upsert(entity, ['phoneIndex', 'channel', 'provider']));
  }

  /**
   * Returns how the number failed by this route; null when it is not known to be bad.
   *
   * @throws Unavailable
   */
  failureOf(phoneNumber: PhoneNumber, route: Route): Promise<Failure | null> {
    return this.findFailure({ phoneNumber, route });
  }

  /**
   * Returns the routes by which the number is known to be bad.
   *
   * @throws Unavailable
   */
  async routesOf(phoneNumber: PhoneNumber): Promise<BadRoute[]> {
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    const found = await this.database.answerOf(
      this.numbers.find({ where: { phoneIndex, expiresAt: hasNotPassed }, order: { channel: 'ASC' } }),
    );
    return found.map(({ channel, provider, failure, expiresAt }) => {
      const { code, reason } = failure;
      return { route: { channel, provider }, failure: { code, reason }, until: expiresAt };
    });
  }

  /**
   * Forgets a number that a message reached by this route.
   *
   * @throws Unavailable
   */
  async forget(phoneNumber: PhoneNumber, route: Route): Promise<void> {
    await this.database.answerOf(this.numbers.delete(this.keyOf(phoneNumber, route)));
  }

  /**
   * Forgets the number on every route.
   *
   * @throws Unavailable
   */
  async deleteByNumber(phoneNumber: PhoneNumber): Promise<void> {
    const phoneIndex = this.keys.phoneIndexOf(phoneNumber);
    await this.database.answerOf(this.numbers.delete({ phoneIndex }));
  }

  /** @throws Unavailable */
  async purge(): Promise<void> {
    await deleteExpired(this.database, 'bad_numbers');
  }

  private async failuresOf(numbers: readonly NumberOnRoute[]): Promise<(Failure | null)[]> {
    const keys = numbers.map(({ phoneNumber, route }) => this.keyOf(phoneNumber, route));
    const rows = await this.database.run<{ place: string; failure: BadNumberEntity['failure'] }>(FAILURES, [
      keys.map(({ phoneIndex }) => phoneIndex),
      keys.map(({ channel }) => channel),
      keys.map(({ provider }) => provider),
    ]);
    const failures = new Map(rows.map(({ place, failure }) => [Number(place), failureFrom(failure)]));
    return keys.map((_, i) => failures.get(i + 1) ?? null);
  }

  private keyOf(phoneNumber: PhoneNumber, { channel, provider }: Route) {
    return { phoneIndex: this.keys.phoneIndexOf(phoneNumber), channel, provider };
  }
}

export function failureFrom({ code, reason, cure }: BadNumberEntity['failure']): Failure {
  return { code, reason, recovery: cure };
}
