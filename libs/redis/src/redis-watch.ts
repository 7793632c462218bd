import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { RedisHealth } from './redis-health.js';
import { RedisMemory } from './redis-memory.js';

/** A Redis of a few megabytes can be filled within a minute. */
const EVERY_MS = 10_000;

/** Looks at Redis now and then, also where nothing asks for readiness. */
@Injectable()
export class RedisWatch implements OnApplicationBootstrap, OnModuleDestroy {
  private timer?: NodeJS.Timeout;

  constructor(
    private readonly health: RedisHealth,
    private readonly memory: RedisMemory,
  ) {}

  onApplicationBootstrap(): void {
    void this.memory.measure();
    this.timer = setInterval(() => void this.look(), EVERY_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    await this.memory.measure();
    await this.health.inspect();
    await this.health.ping().catch(() => {}); // logged by the check itself
  }
}
