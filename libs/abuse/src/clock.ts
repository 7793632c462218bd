import { Injectable } from '@nestjs/common';

/** The time of the abuse policy. Tests replace it to let hours and years pass. */
@Injectable()
export class Clock {
  /** Milliseconds since 1970. */
  now(): number {
    return Date.now();
  }
}
