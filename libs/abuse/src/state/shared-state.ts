import { setImmediate as otherRequests, setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Unavailable } from '#errors';
import { type Change, type Reading, StateStore } from './state-store.postgres.js';

/** The view that one decision has of the shared state. */
export interface Draft {
  /** The time at which the states were read, by the clock of their store. */
  readonly now: number;
  /** Returns a copy of the current state. Changes to it have an effect only if they are `set`. */
  get<State>(key: string): State | null;
  /** Sets the state, as it is at the end of the decision. It consists of what JSON can express. */
  set(key: string, state: object, lifetime: Lifetime): void;
}

interface Lifetime {
  readonly ttlMs: number;
  /** Until this time (milliseconds since 1970) the store lists the state as held. */
  readonly heldUntil?: number | null;
}

interface PendingDecision {
  readonly keys: readonly string[];
  /** States that the caller has seen a moment ago. */
  readonly seen: Snapshot | null;
  readonly lookup: Lookup<unknown> | null;
  /** Runs the decision, again if a write failed. */
  readonly decide: (draft: BatchDraft) => void;
  /** Resolves the caller's promise, once the decision is written. */
  readonly resolve: (after: Snapshot) => void;
  readonly reject: (error: unknown) => void;
}

interface SetState extends Lifetime {
  readonly state: object;
}

interface NewState extends Lifetime {
  readonly text: string;
}

/** The states as the decisions of a batch leave them. */
interface BatchStates {
  readonly now: number;
  readonly texts: Map<string, string | null>;
  /**
   * Objects of the texts, from the decisions that set them. A decision takes an object out, so that no other sees what it changes
   * without setting it. States that every request changes are seldom parsed.
   */
  readonly objects: Map<string, object>;
  readonly changed: Map<string, NewState>;
}

const MAX_DECISIONS_PER_WRITE = 200;

/** Seen states that are older than this are read again. */
const SEEN_FOR_MS = 1_000;

/** The time for which a batch waits for the look-ups of its decisions after its states were read. */
const LATE_AFTER_MS = 50;

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
@Injectable()
export class SharedState {
  private pending: PendingDecision[] = [];
  private isWriting = false;

  constructor(private readonly store: StateStore) {}

  /**
   * Decides on the states of these keys. Resolves when the changes are written.
   *
   * @param decision may run several times; only its last result counts.
   * @param seen states that an earlier decision of the same request left, to save the first read. If one of those that this
   * decision changes has changed since, or it changes none, they are read.
   * @throws Unavailable
   */
  async decide<T>(
    keys: readonly string[],
    decision: (draft: Draft) => T,
    seen: Snapshot | null = null,
  ): Promise<T> {
    return (await this.enqueue(keys, decision, seen)).result;
  }

  /**
   * Decides on the states of these keys, and on what the caller looks up while they are read. A look-up that fails rejects its own
   * decision only. One that is late delays the other decisions of its batch by 50 ms at most, and its own joins a later one.
   *
   * @throws Unavailable
   */
  async decideWith<Found, T>(
    found: Promise<Found>,
    keys: readonly string[],
    decision: (draft: Draft, found: Found) => T,
  ): Promise<T> {
    const lookup = new Lookup(found);
    const decide = (draft: Draft) => decision(draft, lookup.result());
    return (await this.enqueue(keys, decide, null, lookup)).result;
  }

  /**
   * Decides, and returns the states as well that the decision left.
   *
   * @throws Unavailable
   */
  decideAndSee<T>(keys: readonly string[], decision: (draft: Draft) => T): Promise<Decided<T>> {
    return this.enqueue(keys, decision, null);
  }

  /** True if the next decision shares its read with others that wait. */
  get hasWaiting(): boolean {
    return this.pending.length > 0;
  }

  /** Returns up to `limit` states of scopes that are blocked at this time. */
  held(now: number, limit: number): Promise<{ key: string; text: string }[]> {
    return this.store.held(now, limit);
  }

  /** Deletes expired states. */
  async purge(): Promise<void> {
    await this.store.purge();
  }

  private enqueue<T>(
    keys: readonly string[],
    decision: (draft: Draft) => T,
    seen: Snapshot | null,
    lookup: Lookup<unknown> | null = null,
  ): Promise<Decided<T>> {
    return new Promise((resolve, reject) => {
      let result: T;
      this.add({
        keys,
        seen,
        lookup,
        decide: (draft) => {
          result = decision(draft);
        },
        resolve: (after) => resolve({ result, after }),
        reject,
      });
    });
  }

  private add(decision: PendingDecision): void {
    this.pending.push(decision);
    if (!this.isWriting) void this.writePending();
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
    let seen = readingSeenBy(batch, keys);
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const { now, found } = seen ?? (await this.store.read(keys));
      await this.postponeLate(batch);
      const before = new Map(keys.map((key, i) => [key, found[i]]));
      const texts = new Map(keys.map((key) => [key, before.get(key)?.text ?? null]));
      const states: BatchStates = { now, texts, objects: new Map(), changed: new Map() };
      const settlers = batch.map((decision) => run(decision, states));
      const changes: Change[] = [...states.changed]
        .filter(([key, { text }]) => text !== before.get(key)?.text)
        .map(([key, { text, ttlMs, heldUntil = null }]) => {
          return { key, tag: before.get(key)?.tag ?? null, text, ttlMs, heldUntil };
        });
      const isWritten = changes.length > 0 && (await this.store.write(changes));
      if (isWritten || (changes.length === 0 && !seen)) {
        const tags = new Map(keys.map((key) => [key, before.get(key)?.tag ?? null]));
        for (const change of changes) tags.set(change.key, this.store.tagAfter(change));
        const after = new Snapshot(now, texts, tags);
        return settlers.map((settle) => () => settle(after));
      }
      // An outdated look is no conflict: the next try reads.
      if (seen) {
        seen = null;
        continue;
      }
      await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** tries));
    }
    throw new Unavailable('the abuse policy');
  }

  /** Takes the decisions whose look-ups are late out of the batch. They join another one later. */
  private async postponeLate(batch: PendingDecision[]): Promise<void> {
    if (!batch.some(isLate)) return;
    const lookups = batch.map(({ lookup }) => lookup?.ended);
    await Promise.race([Promise.all(lookups), sleep(LATE_AFTER_MS, undefined, { ref: false })]);
    for (const decision of batch.filter(isLate)) void decision.lookup?.ended.then(() => this.add(decision));
    batch.splice(0, batch.length, ...batch.filter((decision) => !isLate(decision)));
  }
}

function isLate({ lookup }: PendingDecision): boolean {
  return lookup !== null && !lookup.hasEnded;
}

/** A look-up whose result a decision needs. */
class Lookup<Found> {
  private outcome: PromiseSettledResult<Found> | null = null;
  /** Resolves when the look-up has ended, successfully or not. */
  readonly ended: Promise<void>;

  constructor(found: Promise<Found>) {
    this.ended = Promise.allSettled([found]).then(([outcome]) => {
      this.outcome = outcome;
    });
  }

  get hasEnded(): boolean {
    return this.outcome !== null;
  }

  /** Returns what was found, or throws the error of the look-up. */
  result(): Found {
    if (this.outcome?.status !== 'fulfilled') throw this.outcome?.reason;
    return this.outcome.value;
  }
}

/**
 * Runs one decision on the results of those before it. A decision that throws changes nothing and does not affect the
 * others of its batch.
 *
 * @returns a function that settles the decision's promise.
 */
function run(decision: PendingDecision, states: BatchStates): (after: Snapshot) => void {
  const draft = new BatchDraft(states);
  try {
    decision.decide(draft);
  } catch (error) {
    return () => decision.reject(error);
  }
  for (const [key, { state, ttlMs, heldUntil }] of draft.own) {
    const text = JSON.stringify(state);
    states.texts.set(key, text);
    states.objects.set(key, state);
    states.changed.set(key, { text, ttlMs, heldUntil });
  }
  return decision.resolve;
}

/** The view of a decision on the states that the decisions before it in its batch left. */
class BatchDraft implements Draft {
  readonly own = new Map<string, SetState>();

  constructor(private readonly states: BatchStates) {}

  get now(): number {
    return this.states.now;
  }

  get<State>(key: string): State | null {
    this.requireKey(key);
    const own = this.own.get(key);
    if (own) return JSON.parse(JSON.stringify(own.state)) as State;
    const { objects, texts } = this.states;
    const object = objects.get(key);
    if (object) {
      objects.delete(key);
      return object as State;
    }
    const text = texts.get(key) ?? null;
    return text === null ? null : (JSON.parse(text) as State);
  }

  set(key: string, state: object, lifetime: Lifetime): void {
    this.requireKey(key);
    this.own.set(key, { state, ...lifetime });
  }

  private requireKey(key: string): void {
    if (!this.states.texts.has(key))
      throw new Error(`the state of ${key} is not among the keys of this decision`);
  }
}

/** Returns what every decision of the batch has seen of these states, if one look at them is recent enough; else null. */
function readingSeenBy(batch: readonly PendingDecision[], keys: readonly string[]): Reading | null {
  const [first] = batch;
  const isShared = batch.every(({ seen }) => seen === first?.seen);
  return (isShared && first?.seen?.readingOf(keys)) || null;
}

/** A result, and the states that the decision left. */
export interface Decided<T> {
  readonly result: T;
  readonly after: Snapshot;
}

/** States as they were at one time. */
export class Snapshot {
  private readonly at = performance.now();

  constructor(
    private readonly now: number,
    private readonly texts: ReadonlyMap<string, string | null>,
    private readonly tags: ReadonlyMap<string, string | null>,
  ) {}

  /** Returns the states as a reading; null if one of them is not known, or they are too old to decide on. */
  readingOf(keys: readonly string[]): Reading | null {
    const age = performance.now() - this.at;
    if (age > SEEN_FOR_MS || keys.some((key) => !this.tags.has(key))) return null;
    const found = keys.map((key) => ({
      text: this.texts.get(key) ?? null,
      tag: this.tags.get(key) ?? null,
    }));
    return { now: this.now + Math.floor(age), found };
  }
}
