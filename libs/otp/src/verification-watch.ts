import { Injectable } from '@nestjs/common';
import type { Verification, VerificationId } from './verification.js';
import { VerificationService } from './verification.service.js';

const LOOK_EVERY_MS = 250;

/** More than these wait no longer than one look takes: connections that wait are not for free. */
const MOST_WAITING = 2_000;

/** A verification is one person's; whoever waits for it more often than this waits for less long. */
const MOST_PER_VERIFICATION = 5;

interface Waiter {
  readonly seen: Verification;
  readonly until: number;
  readonly tell: (verification: Verification) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Whoever waits for a verification to change. One look at the store serves all of them, however many they are, and
 * needs no channel by which other processes would have to tell.
 */
@Injectable()
export class VerificationWatch {
  private readonly waiting = new Set<Waiter>();
  private timer?: NodeJS.Timeout;
  private isClosing = false;

  constructor(private readonly verifications: VerificationService) {}

  /**
   * Resolves as soon as the verification is another than the one that was seen; with what was seen when the time is
   * over, the signal says so, or the process ends.
   *
   * @throws Unavailable
   */
  async change(seen: Verification, withinMs: number, signal: AbortSignal): Promise<Verification> {
    if (this.isClosing || signal.aborted || this.waiting.size >= MOST_WAITING) return seen;
    return new Promise((resolve, reject) => {
      this.releaseOldest(seen.id);
      const waiter: Waiter = { seen, until: Date.now() + withinMs, tell: resolve, fail: reject };
      this.waiting.add(waiter);
      signal.addEventListener('abort', () => this.release(waiter), { once: true });
      this.lookSoon();
    });
  }

  /** Lets go of all who wait, and keeps nobody waiting any more. */
  close(): void {
    this.isClosing = true;
    clearTimeout(this.timer);
    for (const waiter of [...this.waiting]) this.release(waiter);
  }

  private lookSoon(): void {
    this.timer ??= setTimeout(() => void this.look(), LOOK_EVERY_MS);
  }

  private async look(): Promise<void> {
    const asked = [...this.waiting];
    try {
      const found = await this.verifications.getAll([...new Set(asked.map(({ seen }) => seen.id))]);
      const byId = new Map<VerificationId, Verification>(
        found.map((verification) => [verification.id, verification]),
      );
      for (const waiter of asked) this.decide(waiter, byId.get(waiter.seen.id));
    } catch (error) {
      for (const waiter of asked) this.settle(waiter, () => waiter.fail(error));
    }
    this.timer = undefined;
    if (this.waiting.size > 0 && !this.isClosing) this.lookSoon();
  }

  private decide(waiter: Waiter, now: Verification | undefined): void {
    if (now && isChanged(waiter.seen, now)) this.settle(waiter, () => waiter.tell(now));
    else if (Date.now() >= waiter.until) this.release(waiter);
  }

  /** So that one address cannot take everybody's places. */
  private releaseOldest(id: VerificationId): void {
    const [oldest, ...others] = [...this.waiting].filter(({ seen }) => seen.id === id);
    if (oldest && others.length + 1 >= MOST_PER_VERIFICATION) this.release(oldest);
  }

  private release(waiter: Waiter): void {
    this.settle(waiter, () => waiter.tell(waiter.seen));
  }

  private settle(waiter: Waiter, tell: () => void): void {
    if (this.waiting.delete(waiter)) tell();
  }
}

function isChanged(seen: Verification, now: Verification): boolean {
  return (
    now.status !== seen.status ||
    now.attemptsLeft !== seen.attemptsLeft ||
    now.delivery.version !== seen.delivery.version
  );
}
