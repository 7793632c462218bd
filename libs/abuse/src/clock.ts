import { Injectable } from '@nestjs/common';

/** The time of the abuse policy; tests let years pass by another one. */
@Injectable()
export class Clock {
  /** Milliseconds since 1970. */
  now(): number {
    return Date.now();
  }
}
