/** The share of one turn of the event loop that starting requests may take. */
const BUDGET_MS = 2;

/** The longest that new connections come before requests. */
const ACCEPTING_MS = 50;

/**
 * Starts requests for a few milliseconds in each turn of the event loop. Node accepts one connection in a turn, so a turn
 * that starts hundreds of requests would keep new clients waiting for seconds.
 */
export class Turns {
  private readonly queue: (() => void)[] = [];
  /** When the current turn began to start requests. Null: it has not yet. */
  private begunAt: number | null = null;
  private hasAccepted = false;
  private lastRunAt = 0;

  /** Runs the work now if this turn has time left and nothing waits, otherwise later. */
  run(work: () => void): void {
    if (this.queue.length === 0 && this.hasTime()) work();
    else this.later(work);
  }

  /** Runs the work in a later turn. */
  later(work: () => void): void {
    this.begin();
    this.queue.push(work);
  }

  /** Call for each new connection. More may wait, so requests start in a later turn. */
  accepted(): void {
    this.begin();
    this.hasAccepted = true;
  }

  private hasTime(): boolean {
    if (this.hasAccepted) return false;
    return performance.now() - this.begin() < BUDGET_MS;
  }

  private begin(): number {
    if (this.begunAt === null) {
      this.begunAt = performance.now();
      setImmediate(() => this.end());
    }
    return this.begunAt;
  }

  private end(): void {
    this.begunAt = null;
    const now = performance.now();
    const isAccepting = this.hasAccepted && now - this.lastRunAt < ACCEPTING_MS;
    this.hasAccepted = false;
    if (this.queue.length === 0) return;
    if (isAccepting) return void this.begin();
    this.lastRunAt = now;
    while (this.queue.length > 0 && this.hasTime()) this.queue.shift()?.();
  }
}
