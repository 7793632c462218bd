import { Injectable } from '@nestjs/common';
import { takePoint, type Windows } from '#abuse';
import { RateLimited } from '#errors';
import type { ApiClient, ClientPurpose } from './api-clients.js';

/**
 * Limits the requests of each client, so that one cannot slow down the others. The counts are in memory: the limit protects
 * this process, and a look-up in a store would cost as much as the request.
 */
@Injectable()
export class ClientLimits {
  /** Bounded by the number of clients. */
  private readonly windows: Windows = {};

  /** @throws RateLimited */
  admit({ id, limits }: ApiClient, purpose: ClientPurpose): void {
    const { points, seconds } = limits[purpose];
    const taken = takePoint(this.windows, `${purpose}/${id}`, seconds * 1_000, Date.now());
    if (taken.points > points)
      throw new RateLimited(`${purpose}_per_client`, Math.ceil(taken.msLeft / 1_000));
  }
}
