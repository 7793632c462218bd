import { setImmediate as otherRequests, setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Unavailable } from '#errors';
import { BreakerStore, type Change, LedgerStore, type StateStore } from './state-store.js';

/** The view that one decision has of the shared state. */
export interface Draft {
  /** The time at which the states were read, by the clock of their store. */
  readonly now: number;
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
  readonly decide: (draft: BatchDraft) => void;
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
    return this.enqueue(keys, decision);
  }

  /**
   * Reads states for a decision on those of another store.
   *
   * @throws Unavailable
   */
  async snapshot(keys: readonly string[]): Promise<Snapshot> {
    const texts = await this.enqueue(keys, (draft) => new Map(keys.map((key) => [key, draft.textOf(key)])));
    return new Snapshot(texts);
  }

  /** Returns true if one decision can be on states of both. */
  isOnSameStoreAs(other: SharedState): boolean {
    return this.store === other.store;
  }

  /** Deletes expired states. */
  async purge(): Promise<void> {
    await this.store.purge();
  }

  private enqueue<T>(keys: readonly string[], decision: (draft: BatchDraft) => T): Promise<T> {
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

  private async writePending(): Promise<void> {
    this.isWriting = true;
    // Requests that arrived in the same turn of the event loop share the first batch.
    await otherRequests();
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
      const { now, found } = await this.store.read(keys);
      const before = new Map(keys.map((key, i) => [key, found[i]]));
      const texts = new Map(keys.map((key) => [key, before.get(key)?.text ?? null]));
      const newStates = new Map<string, NewState>();
      const settlers = batch.map((decision) => run(decision, now, texts, newStates));
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
  now: number,
  texts: Map<string, string | null>,
  newStates: Map<string, NewState>,
): () => void {
  const draft = new BatchDraft(now, texts);
  try {
    decision.decide(draft);
  } catch (error) {
    return () => decision.reject(error);
  }
  for (const [key, state] of draft.own) {
    texts.set(key, state.text);
    newStates.set(key, state);
  }
  return decision.resolve;
}

/** The view of a decision on the states that the decisions before it in its batch left. */
class BatchDraft implements Draft {
  readonly own = new Map<string, NewState>();

  constructor(
    readonly now: number,
    private readonly texts: ReadonlyMap<string, string | null>,
  ) {}

  get<State>(key: string): State | null {
    const text = this.textOf(key);
    return text === null ? null : (JSON.parse(text) as State);
  }

  set(key: string, state: object, lifetime: Lifetime): void {
    this.requireKey(key);
    this.own.set(key, { ...lifetime, text: JSON.stringify(state) });
  }

  textOf(key: string): string | null {
    this.requireKey(key);
    return this.own.get(key)?.text ?? this.texts.get(key) ?? null;
  }

  private requireKey(key: string): void {
    if (!this.texts.has(key)) throw new Error(`the state of ${key} is not among the keys of this decision`);
  }
}

/** States as they were when they were read. */
export class Snapshot {
  constructor(private readonly texts: ReadonlyMap<string, string | null>) {}

  /** Returns a view of these states and of those of a draft. Only those of the draft can be changed. */
  over(draft: Draft): Draft {
    const get = <State>(key: string): State | null => {
      const text = this.texts.get(key);
      if (text === undefined) return draft.get<State>(key);
      return text === null ? null : (JSON.parse(text) as State);
    };
    return { now: draft.now, get, set: (key, state, lifetime) => draft.set(key, state, lifetime) };
  }
}

/** The counts of rate limits, and the states of the breaker's scopes. */
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
