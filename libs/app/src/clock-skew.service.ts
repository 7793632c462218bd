import {
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  Optional,
} from '@nestjs/common';
import { Gauge, Registry } from 'prom-client';
import { BackgroundService } from '#background';
import { Database } from '#postgres';
import { RedisHealth } from '#redis';

const EVERY_MS = 60_000;
const WARN_EVERY_MS = 10 * 60_000;
const TOLERATED_MS = 5_000;

/**
 * Compares the clock of this process with those of the stores, which decide how long codes and sessions live. Nothing
 * depends on the result, but a wrong clock hides in logs, and it makes replicas disagree.
 */
@Injectable()
export class ClockSkewService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Clock');
  private readonly skew: Gauge;
  private readonly warnedAt = new Map<string, number>();
  private timer?: NodeJS.Timeout;

  constructor(
    private readonly background: BackgroundService,
    private readonly database: Database,
    registry: Registry,
    @Optional() private readonly redis?: RedisHealth,
  ) {
    this.skew = new Gauge({
      name: 'latchkey_clock_skew_seconds',
      help: 'Seconds by which the clock of a store is ahead of the clock of this process',
      labelNames: ['store'],
      registers: [registry],
      aggregator: 'max',
    });
  }

  onApplicationBootstrap(): void {
    const compare = () => this.background.run('compare clocks', () => this.compareAll());
    compare();
    this.timer = setInterval(compare, EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async compareAll(): Promise<void> {
    await this.compare('postgres', this.database);
    if (this.redis) await this.compare('redis', this.redis);
  }

  private async compare(store: string, clock: { now(): Promise<Date> }): Promise<void> {
    const asked = Date.now();
    const now = await clock.now();
    const skewMs = skewOf(now.getTime(), { from: asked, to: Date.now() });
    this.skew.set({ store }, skewMs / 1_000);
    if (Math.abs(skewMs) > TOLERATED_MS) this.warn(store, skewMs / 1_000);
  }

  private warn(store: string, seconds: number): void {
    // Monotonic, because the clock is what is in doubt.
    const now = performance.now();
    if (now < (this.warnedAt.get(store) ?? Number.NEGATIVE_INFINITY) + WARN_EVERY_MS) return;
    this.warnedAt.set(store, now);
    const direction = seconds < 0 ? 'ahead of' : 'behind';
    this.logger.warn({
      msg: `the clock of this server is ${Math.round(Math.abs(seconds))} s ${direction} that of ${store}: synchronize both (NTP)`,
      event: 'clock_skew',
      store,
      skew_seconds: seconds,
    });
  }
}

/**
 * Returns how far the time of another clock, read within an interval of ours, is certainly ahead; negative when it is
 * behind, and zero when both clocks may agree.
 */
export function skewOf(time: number, { from, to }: { from: number; to: number }): number {
  if (time > to) return time - to;
  return time < from ? time - from : 0;
}
