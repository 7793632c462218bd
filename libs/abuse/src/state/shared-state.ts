import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Unavailable } from '#errors';
import { BreakerStore, type Change, LedgerStore, type StateStore } from './state-store.js';

/** The view that one decision has of the shared state. */
export interface Draft {
  /** Returns a copy of the current state. Changes to it have an effect only if they are `set`. */
  get<State>(key: string): State | null;
  set(key: string, state: object, lifetime: Lifetime): void;
}

interface Lifetime {
  readonly ttlMs: number;
  /** Until this time (milliseconds since 1970) the store lists the state as held. */
  readonly heldUntil?: number | null;
}

interface PendingDecision {
  readonly keys: readonly string[];
  /** Runs the decision, again if a write failed. */
  readonly decide: (draft: Draft) => void;
  /** Resolves the caller's promise, once the decision is written. */
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface NewState extends Lifetime {
  readonly text: string;
}

const MAX_DECISIONS_PER_WRITE = 200;

/** Back-off after a conflict with another process. All retries together take no longer than a client waits. */
const TRIES = 40;
const PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

/**
 * Runs decisions on state that several processes share. A decision is a plain function of the states it reads.
 * Decisions that arrive during a write are batched into the next one, so that states which every request needs (the
 * country, the whole system) do not queue up round trips. If another process has changed a state in the meantime, the
 * batch reads the states and decides again (optimistic locking).
 */
export class SharedState {
  private pending: PendingDecision[] = [];
  private isWriting = false;

  constructor(protected readonly store: StateStore) {}

  /**
   * Decides on the states of these keys. Resolves when the changes are written.
   *
   * @param decision may run several times; only its last result counts.
   * @throws Unavailable
   */
  decide<T>(keys: readonly string[], decision: (draft: Draft) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let result: T;
      this.pending.push({
        keys,
        decide: (draft) => {
          result = decision(draft);
        },
        resolve: () => resolve(result),
        reject,
      });
      if (!this.isWriting) void this.writePending();
    });
  }

  /** Deletes expired states. */
  async purge(): Promise<void> {
    await this.store.purge();
  }

  private async writePending(): Promise<void> {
    this.isWriting = true;
    while (this.pending.length > 0) {
      const batch = this.pending.splice(0, MAX_DECISIONS_PER_WRITE);
      try {
        for (const settle of await this.write(batch)) settle();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.isWriting = false;
  }

  /** @returns functions that settle the promises of the batch, which is written now. */
  private async write(batch: PendingDecision[]): Promise<(() => void)[]> {
    const keys = [...new Set(batch.flatMap((decision) => decision.keys))];
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const found = await this.store.read(keys);
      const before = new Map(keys.map((key, i) => [key, found[i]]));
      const texts = new Map(keys.map((key) => [key, before.get(key)?.text ?? null]));
      const newStates = new Map<string, NewState>();
      const settlers = batch.map((decision) => run(decision, texts, newStates));
      const changes: Change[] = [...newStates]
        .filter(([key, { text }]) => text !== before.get(key)?.text)
        .map(([key, { text, ttlMs, heldUntil = null }]) => {
          return { key, tag: before.get(key)?.tag ?? null, text, ttlMs, heldUntil };
        });
      if (changes.length === 0 || (await this.store.write(changes))) return settlers;
      await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** tries));
    }
    throw new Unavailable('the abuse policy');
  }
}

/**
 * Runs one decision on the results of those before it. A decision that throws changes nothing and does not affect the
 * others of its batch.
 *
 * @returns a function that settles the decision's promise.
 */
function run(
  decision: PendingDecision,
  texts: Map<string, string | null>,
  newStates: Map<string, NewState>,
): () => void {
  const own = new Map<string, NewState>();
  const draft: Draft = {
    get<State>(key: string) {
      if (!texts.has(key)) throw new Error(`the state of ${key} is not among the keys of this decision`);
      const text = own.get(key)?.text ?? texts.get(key) ?? null;
      return text === null ? null : (JSON.parse(text) as State);
    },
    set: (key, state, lifetime) => void own.set(key, { ...lifetime, text: JSON.stringify(state) }),
  };
  try {
    decision.decide(draft);
  } catch (error) {
    return () => decision.reject(error);
  }
  for (const [key, state] of own) {
    texts.set(key, state.text);
    newStates.set(key, state);
  }
  return decision.resolve;
}

/** The states of the breaker's scopes. */
@Injectable()
export class BreakerState extends SharedState {
  constructor(store: BreakerStore) {
    super(store);
  }

  /** Returns up to `limit` states of scopes that are blocked at this time. */
  async held(now: number, limit: number): Promise<{ key: string; text: string }[]> {
    return this.store.held(now, limit);
  }
}

/** The ledger: counts of guesses at codes, and of money spent on messages. */
@Injectable()
export class LedgerState extends SharedState {
  constructor(store: LedgerStore) {
    super(store);
  }
}
