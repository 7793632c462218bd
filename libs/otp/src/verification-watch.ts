import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import type { Verification, VerificationId } from './verification.js';
import { VerificationService } from './verification.service.js';

const POLL_EVERY_MS = 250;

/** Above these numbers a request does not wait: each waiting connection costs memory, and each poll time. */
const MAX_WAITERS = 500;
const MAX_WAITERS_PER_CLIENT = 10;

/** One verification belongs to one person, who needs few requests that wait for it. */
const MAX_WAITERS_PER_VERIFICATION = 5;

interface Waiter {
  readonly client: string;
  readonly seen: Verification;
  readonly until: number;
  readonly resolve: (verification: Verification) => void;
  readonly reject: (error: unknown) => void;
}

/** The time that a request waits, and the client it counts for. */
export interface Wait {
  readonly client: string;
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/**
 * Requests that wait for a verification to change. One poll of the store serves all of them, so no process has to notify
 * another.
 */
@Injectable()
export class VerificationWatch implements BeforeApplicationShutdown {
  private readonly waiters = new Set<Waiter>();
  private readonly waitersOf = new Map<string, number>();
  private timer?: NodeJS.Timeout;
  private isClosing = false;

  constructor(private readonly verifications: VerificationService) {}

  /**
   * Resolves with the changed verification as soon as it differs from the one seen. Resolves with the one seen when the
   * time is over, the signal aborts, or the process ends, and at once if too many requests wait already.
   *
   * @param client the address or network that the request counts for
   * @throws Unavailable
   */
  async change(seen: Verification, wait: Wait): Promise<Verification> {
    const { client, withinMs, signal } = wait;
    if (this.isClosing || signal.aborted) return seen;
    this.makeRoomFor(seen.id);
    if (!this.hasRoomFor(client)) return seen;
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { client, seen, until: Date.now() + withinMs, resolve, reject };
      this.add(waiter);
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

  private hasRoomFor(client: string): boolean {
    return this.waiters.size < MAX_WAITERS && (this.waitersOf.get(client) ?? 0) < MAX_WAITERS_PER_CLIENT;
  }

  private add(waiter: Waiter): void {
    this.waiters.add(waiter);
    this.waitersOf.set(waiter.client, (this.waitersOf.get(waiter.client) ?? 0) + 1);
  }

  private release(waiter: Waiter): void {
    this.settle(waiter, () => waiter.resolve(waiter.seen));
  }

  private settle(waiter: Waiter, action: () => void): void {
    if (!this.waiters.delete(waiter)) return;
    const others = (this.waitersOf.get(waiter.client) as number) - 1;
    if (others > 0) this.waitersOf.set(waiter.client, others);
    else this.waitersOf.delete(waiter.client);
    action();
  }
}

function isChanged(seen: Verification, now: Verification): boolean {
  return (
    now.status !== seen.status ||
    now.attemptsLeft !== seen.attemptsLeft ||
    now.delivery.version !== seen.delivery.version
  );
}
