import { Injectable } from '@nestjs/common';
import { takePoint, type Windows } from '#abuse';
import { RateLimited } from '#errors';
import type { ApiClient } from './api-clients.js';

/**
 * Limits the introspections of each client, so that one cannot slow down the others. The counts are in memory: the limit protects
 * this process, and a look-up in a store would cost as much as the request.
 */
@Injectable()
export class ClientLimits {
  /** Bounded by the number of clients. */
  private readonly windows: Windows = {};

  /** @throws RateLimited */
  admitIntrospection({ id, limits }: ApiClient): void {
    const { points, seconds } = limits.introspect;
    const taken = takePoint(this.windows, id, seconds * 1_000, Date.now());
    if (taken.points > points)
      throw new RateLimited('introspect_per_client', Math.ceil(taken.msLeft / 1_000));
  }
}
