import type { PhoneNumber } from '#phone';

/** A set of JavaScript has at most 2^24 members. */
const PARTS = 64;

/** Phone numbers, in some 40 bytes each: at most 15 digits, which JavaScript keeps as an exact number. */
export class NumberSet {
  private readonly parts = Array.from({ length: PARTS }, () => new Set<number>());

  /** Returns false if the set has the number already. */
  add(phoneNumber: PhoneNumber): boolean {
    const digits = Number(phoneNumber.slice(1));
    const part = this.parts[digits % PARTS] as Set<number>;
    if (part.has(digits)) return false;
    part.add(digits);
    return true;
  }
}
