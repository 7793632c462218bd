import { setTimeout as sleep } from 'node:timers/promises';
import { Unavailable } from '#errors';
import type { Change, StateStore } from './state-store.js';

/** What one decision sees of the shared state. */
export interface Draft {
  /** The state as it is now; a copy that only `set` puts back. */
  get<State>(key: string): State | null;
  set(key: string, state: object, life: Life): void;
}

interface Life {
  readonly ttlMs: number;
  /** Milliseconds since 1970: the store lists the state as held until then. */
  readonly heldUntil?: number | null;
}

interface Waiting {
  readonly keys: readonly string[];
  /** Decides for the first or another time; what it made of it is told by `settle` once it is written. */
  readonly decide: (draft: Draft) => void;
  readonly settle: () => void;
  readonly fail: (error: unknown) => void;
}

interface Kept extends Life {
  readonly text: string;
}

/** One write takes so many decisions at most. */
const MOST_AT_ONCE = 200;

/** When another process was faster: soon again, later if it goes on, and not for longer than a client waits. */
const TRIES = 40;
const PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

/**
 * Decisions on state that several processes share, made by plain functions. Whoever comes while a write is under way
 * shares the next one, so that the states everybody needs (the country, the system) are no queue of round trips.
 * Between processes the faster one wins and the other decides anew.
 */
export class SharedState {
  private waiting: Waiting[] = [];
  private underWay = false;

  constructor(private readonly store: StateStore) {}

  /**
   * Decides on the states of these keys and writes what changed, before it resolves.
   *
   * @param decision may be asked several times, and only its last answer counts.
   * @throws Unavailable
   */
  decide<T>(keys: readonly string[], decision: (draft: Draft) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let answer: T;
      this.waiting.push({
        keys,
        decide: (draft) => {
          answer = decision(draft);
        },
        settle: () => resolve(answer),
        fail: reject,
      });
      if (!this.underWay) void this.work();
    });
  }

  private async work(): Promise<void> {
    this.underWay = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, MOST_AT_ONCE);
      try {
        for (const tell of await this.written(batch)) tell();
      } catch (error) {
        for (const { fail } of batch) fail(error);
      }
    }
    this.underWay = false;
  }

  /** @returns what to tell each of the batch, now that it is written. */
  private async written(batch: Waiting[]): Promise<(() => void)[]> {
    const keys = [...new Set(batch.flatMap((waiting) => waiting.keys))];
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const found = await this.store.read(keys);
      const before = new Map(keys.map((key, i) => [key, found[i]]));
      const texts = new Map(keys.map((key) => [key, before.get(key)?.text ?? null]));
      const kept = new Map<string, Kept>();
      const tellings = batch.map((waiting) => decided(waiting, texts, kept));
      const changes: Change[] = [...kept]
        .filter(([key, { text }]) => text !== before.get(key)?.text)
        .map(([key, { text, ttlMs, heldUntil = null }]) => {
          return { key, tag: before.get(key)?.tag ?? null, text, ttlMs, heldUntil };
        });
      if (changes.length === 0 || (await this.store.write(changes))) return tellings;
      await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** tries));
    }
    throw new Unavailable('the abuse policy');
  }
}

/** One decision upon those before it. One that throws changes nothing and is nobody else's trouble. */
function decided(waiting: Waiting, texts: Map<string, string | null>, kept: Map<string, Kept>): () => void {
  const own = new Map<string, Kept>();
  const draft: Draft = {
    get<State>(key: string) {
      if (!texts.has(key)) throw new Error(`the state of ${key} was not asked for`);
      const text = own.get(key)?.text ?? texts.get(key) ?? null;
      return text === null ? null : (JSON.parse(text) as State);
    },
    set: (key, state, life) => void own.set(key, { ...life, text: JSON.stringify(state) }),
  };
  try {
    waiting.decide(draft);
  } catch (error) {
    return () => waiting.fail(error);
  }
  for (const [key, state] of own) {
    texts.set(key, state.text);
    kept.set(key, state);
  }
  return waiting.settle;
}
