import type { Identity } from './identity.js';

const MOST_ENTRIES = 10_000;

interface Entry {
  readonly identity: Identity;
  readonly until: number;
}

/** Valid tokens of the last seconds. Refused tokens are not kept: others could fill the memory with them. */
export class RecentIdentities {
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly keptMs: number,
    private readonly now = Date.now,
  ) {}

  async find(token: string, ask: () => Promise<Identity | null>): Promise<Identity | null> {
    const entry = this.entries.get(token);
    if (entry && entry.until > this.now()) return entry.identity;
    this.entries.delete(token);
    const identity = await ask();
    if (identity) this.keep(token, identity);
    return identity;
  }

  private keep(token: string, identity: Identity): void {
    if (this.keptMs === 0) return;
    const until = Math.min(this.now() + this.keptMs, identity.exp * 1_000);
    this.entries.set(token, { identity, until });
    const [oldest] = this.entries.keys();
    if (this.entries.size > MOST_ENTRIES && oldest !== undefined) this.entries.delete(oldest);
  }
}
