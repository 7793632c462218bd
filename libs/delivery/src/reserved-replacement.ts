import type { Verification } from '#otp';
import type { Replacement } from './delivery-state.js';

/** A replacement and the charge that was reserved for it. */
export interface Reservation {
  readonly replacement: Replacement;
  readonly charge: string;
}

/** Reserves a replacement at most once, because a retried decision must not reserve budget again. */
export class ReservedReplacement {
  reserved: Promise<Reservation | null> | null = null;

  constructor(private readonly reserve: (verification: Verification) => Promise<Reservation | null>) {}

  for(verification: Verification): Promise<Reservation | null> {
    this.reserved ??= this.reserve(verification);
    return this.reserved;
  }
}
