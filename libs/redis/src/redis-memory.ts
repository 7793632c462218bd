import { Injectable, Logger } from '@nestjs/common';
import { InjectRedis } from '@nestjs-modules/ioredis';
import type { Redis } from 'ioredis';
import { Gauge, Registry } from 'prom-client';
import {
  fullnessFault,
  isNearlyFull,
  type MemoryUse,
  mayEvict,
  policyFault,
  readMemoryUse,
} from './memory-use.js';

/** Measures the memory of Redis, and warns before it is full: a full Redis refuses every sign-in. */
@Injectable()
export class RedisMemory {
  private readonly logger = new Logger('Redis');
  private readonly used: Gauge;
  private readonly max: Gauge;
  private isNearlyFull = false;
  private warnedPolicy: string | null = null;
  private isForbidden = false;

  constructor(
    @InjectRedis() private readonly redis: Redis,
    registry: Registry,
  ) {
    const gauge = (name: string, help: string) =>
      new Gauge({ name, help, registers: [registry], aggregator: 'max' });
    this.used = gauge('latchkey_redis_memory_used_bytes', 'Memory that Redis uses');
    this.max = gauge('latchkey_redis_memory_max_bytes', "Redis' maxmemory; 0 without a limit");
  }

  async measure(): Promise<void> {
    try {
      const use = readMemoryUse(await this.redis.info('memory'));
      this.record(use);
      this.warnOfPolicy(use);
      this.warnOfSize(use);
    } catch (error) {
      this.reportForbidden(error as Error);
    }
  }

  private record({ usedBytes, maxBytes }: MemoryUse): void {
    this.used.set(usedBytes);
    this.max.set(maxBytes);
  }

  private warnOfPolicy(use: MemoryUse): void {
    if (mayEvict(use) && use.evictionPolicy !== this.warnedPolicy) this.logger.warn(policyFault(use));
    this.warnedPolicy = use.evictionPolicy;
  }

  private warnOfSize(use: MemoryUse): void {
    const was = this.isNearlyFull;
    this.isNearlyFull = isNearlyFull(use, was);
    if (this.isNearlyFull && !was) this.logger.warn(fullnessFault(use));
    if (was && !this.isNearlyFull) this.logger.log('Redis has enough memory again');
  }

  private reportForbidden({ message }: Error): void {
    if (this.isForbidden || !message.startsWith('NOPERM')) return;
    this.isForbidden = true;
    this.logger.log('the memory of Redis is not watched: its user may not run INFO');
  }
}
