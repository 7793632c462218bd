import { LRUCache } from 'lru-cache';
import type { ReachedLimit } from '../limits/limits.service.js';

/** Long enough for a flood of equal requests. A state that changes meanwhile is seen soon. */
const REPEATED_FOR_MS = 1_000;

const MOST_REMEMBERED = 10_000;

/** The parts of a request that decide whether a limit refuses an unknown device. */
interface Asked {
  readonly phoneIndex: string;
  readonly client: string;
}

/** Refusals by limits that this process has just made, so that a flood of equal requests asks no database. */
export class RecentRefusals {
  private readonly refusals = new LRUCache<string, { limit: ReachedLimit; at: number }>({
    max: MOST_REMEMBERED,
  });

  remember(asked: Asked, limit: ReachedLimit, now: number): void {
    this.refusals.set(keyOf(asked), { limit, at: now });
  }

  /** Returns the limit that refuses the request, with the time that is left of it; null if the database has to be asked. */
  find(asked: Asked, now: number): ReachedLimit | null {
    const found = this.refusals.get(keyOf(asked));
    const age = found ? now - found.at : REPEATED_FOR_MS;
    if (!found || age < 0 || age >= REPEATED_FOR_MS || age >= found.limit.msLeft) return null;
    return { ...found.limit, msLeft: found.limit.msLeft - age };
  }
}

function keyOf({ phoneIndex, client }: Asked): string {
  return `${phoneIndex} ${client}`;
}
