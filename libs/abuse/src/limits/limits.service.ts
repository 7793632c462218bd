import { Injectable } from '@nestjs/common';
import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';
import type { LimitName, Rate } from '#config';
import { RateLimited, Unavailable } from '#errors';
import { AbuseEvents, type Details } from '../abuse-events.js';
import { LimiterStore } from './limiter-store.js';

export abstract class LimitPolicy {
  /** The cool-downs between messages to one number, in order; the last one repeats. */
  abstract readonly coolDownsMs: readonly number[];
  abstract readonly sendsPerNumber: readonly Rate[];
  abstract readonly sendsPerAddress: readonly Rate[];
  abstract readonly checksPerAddress: readonly Rate[];
  /** Unverified messages of unknown devices in a day, beyond which a number is contested. */
  abstract readonly contestedSends: number;
  /** Limits in monitor mode: refusals are recorded, but nothing is refused. */
  abstract readonly monitored: readonly LimitName[];
}

type AddressLimit = 'sends_per_address' | 'checks_per_address';

/** A limit that a number has used. */
export interface NumberLimit {
  readonly limit: 'cool_down' | 'sends_per_number';
  readonly used: number;
  readonly points: number;
  readonly msLeft: number;
}

/** The points that one message has taken from the limits of its number. */
export interface Reservation {
  /** Milliseconds until the next message may be requested. */
  readonly resendAfterMs: number;
  /** Unknown devices requested several messages for the number today, and typed in no code. */
  readonly contested: boolean;
  /** Gives all points back, for a message that was not sent. */
  refund(): Promise<void>;
}

/** The cool-down of a number starts again with the shortest one after this time without a message. */
const MESSAGES_FORGOTTEN_AFTER_SECONDS = 3_600;
const DAY_SECONDS = 86_400;

/** Returns the cool-down after a message to a number that had this many messages in the last hour. */
export function coolDownMs(
  { coolDownsMs }: Pick<LimitPolicy, 'coolDownsMs'>,
  messagesBefore: number,
): number {
  return coolDownsMs[Math.min(messagesBefore, coolDownsMs.length - 1)] as number;
}

/** Enforces rate limits per number and per address. A limiter that cannot answer refuses the request. */
@Injectable()
export class LimitsService {
  private readonly coolDown: RateLimiterAbstract;
  private readonly messages: RateLimiterAbstract;
  private readonly contest: RateLimiterAbstract;
  private readonly claimed: RateLimiterAbstract;
  private readonly sendsPerNumber: RateLimiterAbstract[];
  private readonly perAddress: Record<AddressLimit, RateLimiterAbstract[]>;

  constructor(
    private readonly store: LimiterStore,
    private readonly policy: LimitPolicy,
    private readonly events: AbuseEvents,
  ) {
    const counter = (name: string, seconds: number) =>
      store.open({ name, points: Number.MAX_SAFE_INTEGER, seconds });
    this.coolDown = store.open({ name: 'cool_down', points: 1, seconds: 1 });
    this.messages = counter('messages', MESSAGES_FORGOTTEN_AFTER_SECONDS);
    this.contest = counter('contest', DAY_SECONDS);
    this.claimed = counter('used', DAY_SECONDS);
    this.sendsPerNumber = this.openLimiters('sends_per_number', policy.sendsPerNumber);
    this.perAddress = {
      sends_per_address: this.openLimiters('sends_per_address', policy.sendsPerAddress),
      checks_per_address: this.openLimiters('checks_per_address', policy.checksPerAddress),
    };
  }

  /**
   * Refuses a message that the limits of its address or number do not allow now, and counts nothing. Monitored limits
   * refuse nothing.
   *
   * @returns whether the message would be a contested one.
   * @throws RateLimited, Unavailable
   */
  async requireMessage(key: string, client: string, details: Details = {}): Promise<{ contested: boolean }> {
    const checks = [
      ...this.perAddress.sends_per_address.map((limiter) => checkOf('sends_per_address', limiter, client)),
      ...this.checksOfNumber(key),
    ];
    const keys = [...checks.map((check) => check.key), this.contest.getKey(key)];
    const counts = await orUnavailable(this.store.read(keys));
    for (const [i, { limit, points }] of checks.entries()) {
      const count = counts[i];
      if (count && count.points >= points && !this.isMonitored(limit))
        this.refuse(limit, count.msLeft, details);
    }
    return { contested: (counts.at(-1)?.points ?? 0) >= this.policy.contestedSends };
  }

  /**
   * Returns the limits that a number has used, and its messages of today without a code typed in. Counts nothing.
   *
   * @param key as for `admitMessage`.
   * @throws Unavailable
   */
  async usedBy(key: string): Promise<{ limits: NumberLimit[]; unverifiedMessages: number }> {
    const checks = this.checksOfNumber(key);
    const keys = [...checks.map((check) => check.key), this.contest.getKey(key)];
    const counts = await orUnavailable(this.store.read(keys));
    const limits = checks.flatMap(({ limit, points }, i) => {
      const count = counts[i];
      return count ? [{ limit, used: count.points, points, msLeft: count.msLeft }] : [];
    });
    return { limits, unverifiedMessages: counts.at(-1)?.points ?? 0 };
  }

  /**
   * Counts one request of an address.
   *
   * @throws RateLimited, Unavailable
   */
  async admitAddress(limit: AddressLimit, client: string, details: Details = {}): Promise<void> {
    const limiters = this.perAddress[limit];
    await allOf(limiters.map((limiter) => this.consume(limit, limiter.consume(client), details)));
  }

  /**
   * Counts one message to a number and starts the number's cool-down. Of concurrent callers one is admitted.
   *
   * @param key the phone index, or a key for the known devices of the number; never the number itself.
   * @throws RateLimited, Unavailable
   */
  async admitMessage(key: string, details: Details = {}): Promise<Reservation> {
    const before = await orUnavailable(this.messages.get(key));
    const seconds = Math.ceil(coolDownMs(this.policy, before?.consumedPoints ?? 0) / 1_000);
    const coolingDown = this.coolDown.consume(key, 1, { customDuration: seconds });
    const resendAfterMs = await this.consume('cool_down', coolingDown, details);
    const refund = () => this.refundMessage(key);
    try {
      const [contest] = await Promise.all([
        orUnavailable(this.contest.consume(key)),
        allOf([
          orUnavailable(this.messages.consume(key)),
          ...this.sendsPerNumber.map((limiter) =>
            this.consume('sends_per_number', limiter.consume(key), details),
          ),
        ]),
      ]);
      return { resendAfterMs, contested: contest.consumedPoints > this.policy.contestedSends, refund };
    } catch (refusal) {
      if (refusal instanceof RateLimited) await refund();
      throw refusal;
    }
  }

  /** The wait between the first message to a number and the second. */
  get firstCoolDownMs(): number {
    return coolDownMs(this.policy, 0);
  }

  /** Resets the count of unverified messages, because a code was typed in. */
  async clearContest(phoneIndex: string): Promise<void> {
    await orUnavailable(this.contest.delete(phoneIndex));
  }

  /**
   * Claims a one-time value. Returns true for exactly one caller under any concurrency.
   *
   * @param seconds how long to remember the claim.
   */
  async claimOnce(id: string, seconds: number): Promise<boolean> {
    const claimed = await orUnavailable(this.claimed.consume(id, 1, { customDuration: seconds }));
    return claimed.consumedPoints === 1;
  }

  async isClaimed(id: string): Promise<boolean> {
    return (await orUnavailable(this.claimed.get(id))) !== null;
  }

  async unclaim(id: string): Promise<void> {
    await orUnavailable(this.claimed.delete(id));
  }

  /**
   * Refuses a request under the name of a limit, by a decision made elsewhere.
   *
   * @throws RateLimited, except in monitor mode.
   */
  refuse(limit: LimitName, retryAfterMs: number, details: Details): void {
    const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
    const monitored = this.isMonitored(limit);
    const line = { name: limit, retry_after: retryAfterSeconds, ...details };
    this.events.record(monitored ? 'would_refuse' : 'refused', line);
    if (!monitored) throw new RateLimited(limit, retryAfterSeconds);
  }

  isMonitored(limit: LimitName): boolean {
    return this.policy.monitored.includes(limit);
  }

  /** Deletes expired counts. */
  async purge(): Promise<void> {
    await this.store.purge();
  }

  private checksOfNumber(key: string) {
    return [
      checkOf('cool_down', this.coolDown, key),
      ...this.sendsPerNumber.map((limiter) => checkOf('sends_per_number', limiter, key)),
    ];
  }

  private openLimiters(name: LimitName, rates: readonly Rate[]): RateLimiterAbstract[] {
    return rates.map(({ points, seconds }) =>
      this.store.open({ name: `${name}_${seconds}`, points, seconds }),
    );
  }

  private async refundMessage(key: string): Promise<void> {
    const counters = [this.messages, this.contest, ...this.sendsPerNumber];
    await allOf(counters.map((counter) => refundPoint(counter, key)));
    // Last: until then the cool-down keeps other messages of the number away from the counts.
    await orUnavailable(this.coolDown.delete(key));
  }

  /** @returns milliseconds until the limit resets. */
  private async consume(
    limit: LimitName,
    result: Promise<RateLimiterRes>,
    details: Details,
  ): Promise<number> {
    try {
      return (await result).msBeforeNext;
    } catch (rejection) {
      // The library rejects with a result if a limit is reached, and with an error if its store fails.
      if (!(rejection instanceof RateLimiterRes)) throw new Unavailable('limits', { cause: rejection });
      this.refuse(limit, rejection.msBeforeNext, details);
      return rejection.msBeforeNext;
    }
  }
}

function checkOf<Limit extends LimitName>(limit: Limit, limiter: RateLimiterAbstract, key: string) {
  return { limit, key: limiter.getKey(key), points: limiter.points };
}

/** Waits for all promises even if one fails, so that no counting is still under way when the caller continues. */
async function allOf(promises: Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(promises);
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
}

/** Takes one point back. A count of zero is deleted, so that a refused request leaves nothing behind. */
async function refundPoint(counter: RateLimiterAbstract, key: string): Promise<void> {
  const { consumedPoints } = await orUnavailable(counter.reward(key));
  if (consumedPoints <= 0) await orUnavailable(counter.delete(key));
}

async function orUnavailable<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (cause) {
    throw new Unavailable('limits', { cause });
  }
}
