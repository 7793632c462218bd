import { Injectable } from '@nestjs/common';
import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';
import { RateLimited, Unavailable } from '#errors';
import { AbuseEvents } from './abuse-events.js';
import { LimiterStore } from './limiter-store.js';

/** So many in so much time. */
export interface Rate {
  readonly points: number;
  readonly seconds: number;
}

/** As it appears in `rate_limited.limit` and in `LIMIT_MODE`. */
export type LimitName =
  | 'cool_down'
  | 'sends_per_number'
  | 'sends_per_address'
  | 'checks_per_address'
  | 'guesses_per_number';

export abstract class LimitPolicy {
  /** The waits between messages to one number, in milliseconds, one after another; the last one repeats. */
  abstract readonly coolDownsMs: readonly number[];
  abstract readonly sendsPerNumber: readonly Rate[];
  abstract readonly sendsPerAddress: readonly Rate[];
  abstract readonly checksPerAddress: readonly Rate[];
  /** Unverified messages of strangers in a day that leave a number's next stranger to be stepped up. */
  abstract readonly contestedSends: number;
  /** Limits that record what they would have refused and refuse nothing. */
  abstract readonly monitored: readonly LimitName[];
}

/** One message that the limits have room for. */
export interface Place {
  /** Milliseconds until the next message may go there. */
  readonly resendAfterMs: number;
  /** Strangers had several messages sent to the number today and typed in no code. */
  readonly contested: boolean;
  /** The message did not go: it counts for nothing. */
  giveBack(): Promise<void>;
}

/** What an operator is told of a refusal; never a number in clear. */
export type Details = Readonly<Record<string, string>>;

/** A number that got no message for this long starts again with the shortest wait. */
const FORGOTTEN_AFTER_SECONDS = 3_600;
const DAY_SECONDS = 86_400;

/** How long a number waits after its next message, when it had this many in the last hour. */
export function coolDownMs(
  { coolDownsMs }: Pick<LimitPolicy, 'coolDownsMs'>,
  messagesBefore: number,
): number {
  return coolDownsMs[Math.min(messagesBefore, coolDownsMs.length - 1)] as number;
}

/** What is asked before anything is paid for. A limiter that cannot answer refuses. */
@Injectable()
export class Limits {
  private readonly coolDown: RateLimiterAbstract;
  private readonly messages: RateLimiterAbstract;
  private readonly contest: RateLimiterAbstract;
  private readonly used: RateLimiterAbstract;
  private readonly sendsPerNumber: RateLimiterAbstract[];
  private readonly perAddress: Record<'sends_per_address' | 'checks_per_address', RateLimiterAbstract[]>;

  constructor(
    private readonly store: LimiterStore,
    private readonly policy: LimitPolicy,
    private readonly events: AbuseEvents,
  ) {
    const counter = (name: string, seconds: number) =>
      store.open({ name, points: Number.MAX_SAFE_INTEGER, seconds });
    this.coolDown = store.open({ name: 'cool_down', points: 1, seconds: 1 });
    this.messages = counter('messages', FORGOTTEN_AFTER_SECONDS);
    this.contest = counter('contest', DAY_SECONDS);
    this.used = counter('used', DAY_SECONDS);
    this.sendsPerNumber = this.limiters('sends_per_number', policy.sendsPerNumber);
    this.perAddress = {
      sends_per_address: this.limiters('sends_per_address', policy.sendsPerAddress),
      checks_per_address: this.limiters('checks_per_address', policy.checksPerAddress),
    };
  }

  /**
   * Takes one request of a client.
   *
   * @param details what the operator is told when it is refused.
   * @throws RateLimited, Unavailable
   */
  async admitAddress(
    limit: 'sends_per_address' | 'checks_per_address',
    client: string,
    details: Details = {},
  ): Promise<void> {
    const taken = this.perAddress[limit].map((limiter) => this.take(limit, limiter.consume(client), details));
    await allOf(taken);
  }

  /**
   * Takes a place for one message to a number and starts its cool-down. Of many callers at once one is admitted.
   *
   * @param lane stands for the number, or for one device that is known on it; never the number itself.
   * @throws RateLimited, Unavailable
   */
  async admitMessage(lane: string, details: Details = {}): Promise<Place> {
    const before = await answered(this.messages.get(lane));
    const seconds = Math.ceil(coolDownMs(this.policy, before?.consumedPoints ?? 0) / 1_000);
    const cooling = this.coolDown.consume(lane, 1, { customDuration: seconds });
    const resendAfterMs = await this.take('cool_down', cooling, details);
    const counters = [this.messages, this.contest, ...this.sendsPerNumber];
    const giveBack = async () => {
      const rewards = counters.map((counter) => answered(counter.reward(lane)));
      await allOf([answered(this.coolDown.delete(lane)), ...rewards]);
    };
    try {
      const [contest] = await Promise.all([
        answered(this.contest.consume(lane)),
        allOf([
          answered(this.messages.consume(lane)),
          ...this.sendsPerNumber.map((limiter) =>
            this.take('sends_per_number', limiter.consume(lane), details),
          ),
        ]),
      ]);
      return { resendAfterMs, contested: contest.consumedPoints > this.policy.contestedSends, giveBack };
    } catch (refusal) {
      if (refusal instanceof RateLimited) await giveBack();
      throw refusal;
    }
  }

  /** What a number waits between its first message and its second. */
  get firstCoolDownMs(): number {
    return coolDownMs(this.policy, 0);
  }

  /** A code that went to the number was typed in: nobody contests it. */
  async settleContest(lane: string): Promise<void> {
    await answered(this.contest.delete(lane));
  }

  /**
   * True for the first who brings it, however many come at once.
   *
   * @param seconds how long it has to be remembered.
   */
  async isFirstUse(id: string, seconds: number): Promise<boolean> {
    const used = await answered(this.used.consume(id, 1, { customDuration: seconds }));
    return used.consumedPoints === 1;
  }

  /**
   * A refusal that was decided elsewhere, under the name of a limit.
   *
   * @throws RateLimited unless the limit is only monitored.
   */
  refuse(limit: LimitName, retryAfterMs: number, details: Details): void {
    const retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
    const monitored = this.isMonitored(limit);
    const line = { name: limit, retry_after: retryAfterSeconds, ...details };
    this.events.record(monitored ? 'would_refuse' : 'refused', line);
    if (!monitored) throw new RateLimited(limit, retryAfterSeconds);
  }

  /** Whether the limit only records what it would have refused. */
  isMonitored(limit: LimitName): boolean {
    return this.policy.monitored.includes(limit);
  }

  /** Forgets the counts of times gone by. */
  async purge(): Promise<void> {
    await this.store.purge();
  }

  private limiters(name: LimitName, rates: readonly Rate[]): RateLimiterAbstract[] {
    return rates.map(({ points, seconds }) =>
      this.store.open({ name: `${name}_${seconds}`, points, seconds }),
    );
  }

  /** @returns milliseconds until the limit lets the next one through, or begins anew. */
  private async take(limit: LimitName, answer: Promise<RateLimiterRes>, details: Details): Promise<number> {
    try {
      return (await answer).msBeforeNext;
    } catch (rejection) {
      // The library rejects with a result when a limit is reached, and with an error when its store is away.
      if (!(rejection instanceof RateLimiterRes)) throw new Unavailable('limits', { cause: rejection });
      this.refuse(limit, rejection.msBeforeNext, details);
      return rejection.msBeforeNext;
    }
  }
}

/** Waits for all of them even when one fails, so that nothing is still being counted when the caller goes on. */
async function allOf(answers: Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(answers);
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure) throw failure.reason;
}

async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new Unavailable('limits', { cause });
  }
}
