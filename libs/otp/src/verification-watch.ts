import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { Verification, VerificationId } from './verification.js';
import { VerificationService } from './verification.service.js';

const POLL_EVERY_MS = 250;

/** Above this number a request does not wait: each waiting connection costs memory. */
const MAX_WAITERS = 2_000;

/** One verification belongs to one person, who needs few requests that wait for it. */
const MAX_WAITERS_PER_VERIFICATION = 5;

interface Waiter {
  readonly seen: Verification;
  readonly until: number;
  readonly resolve: (verification: Verification) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Requests that wait for a verification to change. One poll of the store serves all of them, so no process has to notify
 * another.
 */
@Injectable()
export class VerificationWatch implements BeforeApplicationShutdown {
  private readonly waiters = new Set<Waiter>();
  private timer?: NodeJS.Timeout;
  private isClosing = false;

  constructor(private readonly verifications: VerificationService) {}

  /**
   * Resolves with the changed verification as soon as it differs from the one seen. Resolves with the one seen when the
   * time is over, the signal aborts, or the process ends.
   *
   * @throws Unavailable
   */
  async change(seen: Verification, withinMs: number, signal: AbortSignal): Promise<Verification> {
    if (this.isClosing || signal.aborted || this.waiters.size >= MAX_WAITERS) return seen;
    return new Promise((resolve, reject) => {
      this.makeRoomFor(seen.id);
      const waiter: Waiter = { seen, until: Date.now() + withinMs, resolve, reject };
      this.waiters.add(waiter);
      signal.addEventListener('abort', () => this.release(waiter), { once: true });
      this.schedulePoll();
    });
  }

  /** Answers every waiter, and later ones at once. The server closes after this hook and waits for open requests. */
  beforeApplicationShutdown(): void {
    this.isClosing = true;
    clearTimeout(this.timer);
    for (const waiter of [...this.waiters]) this.release(waiter);
  }

  private schedulePoll(): void {
    this.timer ??= setTimeout(() => void this.poll(), POLL_EVERY_MS);
  }

  private async poll(): Promise<void> {
    const polled = [...this.waiters];
    try {
      const found = await this.verifications.getAll([...new Set(polled.map(({ seen }) => seen.id))]);
      const byId = new Map<VerificationId, Verification>(
        found.map((verification) => [verification.id, verification]),
      );
      for (const waiter of polled) this.check(waiter, byId.get(waiter.seen.id));
    } catch (error) {
      for (const waiter of polled) this.settle(waiter, () => waiter.reject(error));
    }
    this.timer = undefined;
    if (this.waiters.size > 0 && !this.isClosing) this.schedulePoll();
  }

  private check(waiter: Waiter, now: Verification | undefined): void {
    if (now && isChanged(waiter.seen, now)) this.settle(waiter, () => waiter.resolve(now));
    else if (Date.now() >= waiter.until) this.release(waiter);
  }

  /** Releases the verification's oldest waiter at the limit, so that one client cannot occupy all places. */
  private makeRoomFor(id: VerificationId): void {
    const [oldest, ...others] = [...this.waiters].filter(({ seen }) => seen.id === id);
    if (oldest && others.length + 1 >= MAX_WAITERS_PER_VERIFICATION) this.release(oldest);
  }

  private release(waiter: Waiter): void {
    this.settle(waiter, () => waiter.resolve(waiter.seen));
  }

  private settle(waiter: Waiter, action: () => void): void {
    if (this.waiters.delete(waiter)) action();
  }
}

function isChanged(seen: Verification, now: Verification): boolean {
  return (
    now.status !== seen.status ||
    now.attemptsLeft !== seen.attemptsLeft ||
    now.delivery.version !== seen.delivery.version
  );
}
