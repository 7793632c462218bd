import { Injectable } from '@nestjs/common';
import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';
import { RateLimited, Unavailable } from '#errors';
import { LimiterStore } from './limiter-store.js';

/** A number that got no message for this long starts again with the shortest wait. */
const FORGOTTEN_AFTER_SECONDS = 3_600;

export abstract class LimitPolicy {
  /** The waits between messages to one number, in milliseconds, one after another; the last one repeats. */
  abstract readonly coolDownsMs: readonly number[];
}

/** How long a number waits after its next message, when it had this many in the last hour. */
export function coolDownMs(policy: LimitPolicy, messagesBefore: number): number {
  const { coolDownsMs } = policy;
  return coolDownsMs[Math.min(messagesBefore, coolDownsMs.length - 1)] as number;
}

/** What is asked before a message is paid for. A limiter that cannot answer refuses. */
@Injectable()
export class Limits {
  private readonly coolDown: RateLimiterAbstract;
  private readonly messages: RateLimiterAbstract;

  constructor(
    private readonly store: LimiterStore,
    private readonly policy: LimitPolicy,
  ) {
    this.coolDown = store.open({ name: 'cool_down', points: 1, seconds: 1 });
    this.messages = store.open({
      name: 'messages',
      points: Number.MAX_SAFE_INTEGER,
      seconds: FORGOTTEN_AFTER_SECONDS,
    });
  }

  /**
   * Admits one message to a number and starts its cool-down. Of many callers at once one is admitted.
   *
   * @param number a key that stands for the number, not the number.
   * @returns milliseconds until the next message may go there.
   * @throws RateLimited, Unavailable
   */
  async admitMessage(number: string): Promise<number> {
    const before = await answered(this.messages.get(number));
    const waitMs = coolDownMs(this.policy, before?.consumedPoints ?? 0);
    const admitted = await answered(
      this.coolDown.consume(number, 1, { customDuration: Math.ceil(waitMs / 1_000) }),
      'cool_down',
    );
    await answered(this.messages.consume(number));
    return admitted.msBeforeNext;
  }

  /** Forgets the counts of times gone by. */
  async purge(): Promise<void> {
    await this.store.purge();
  }
}

/** The library rejects with a result when a limit is reached, and with an error when its store is away. */
async function answered<T>(answer: Promise<T>, limit = ''): Promise<T> {
  try {
    return await answer;
  } catch (rejection) {
    if (!(rejection instanceof RateLimiterRes)) throw new Unavailable('limits', { cause: rejection });
    throw new RateLimited(limit, Math.max(1, Math.ceil(rejection.msBeforeNext / 1_000)));
  }
}
