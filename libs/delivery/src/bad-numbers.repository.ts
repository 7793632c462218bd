import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Raw, Repository } from 'typeorm';
import type { Route } from '#config';
import { Keys } from '#keys';
import type { Failure } from '#messaging';
import type { PhoneNumber } from '#phone';
import { Database, deleteExpired } from '#postgres';
import { BadNumberEntity } from './bad-number.entity.js';

/** Times are read from Postgres's clock, because the clocks of processes may differ. */
const expiryAfter = (minutes: number) => `clock_timestamp() + interval '${minutes} minutes'`;
const hasNotPassed = Raw((column) => `${column} > clock_timestamp()`);

const FAILURE = {
  name: 'failure of a number',
  text: `
    select failure from bad_numbers
     where phone_index = $1 and channel = $2 and sender = $3 and expires_at > clock_timestamp()`,
};

/** A route by which a number gets no message for a while, and why. */
export interface BadRoute {
  readonly route: Route;
  readonly failure: Pick<Failure, 'code' | 'reason'>;
  readonly until: Date;
}

/** Numbers that a provider reported as unreachable on a channel. They get no message by that route for a while. */
@Injectable()
export class BadNumbersRepository {
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
  async failureOf(phoneNumber: PhoneNumber, route: Route): Promise<Failure | null> {
    const { phoneIndex, channel, provider } = this.keyOf(phoneNumber, route);
    const [found] = await this.database.run<Pick<BadNumberEntity, 'failure'>>(FAILURE, [
      phoneIndex,
      channel,
      provider,
    ]);
    return found ? failureFrom(found.failure) : null;
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

  private keyOf(phoneNumber: PhoneNumber, { channel, provider }: Route) {
    return { phoneIndex: this.keys.phoneIndexOf(phoneNumber), channel, provider };
  }
}

export function failureFrom({ code, reason, cure }: BadNumberEntity['failure']): Failure {
  return { code, reason, recovery: cure };
}
