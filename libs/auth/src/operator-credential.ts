import { hash, timingSafeEqual } from 'node:crypto';

/** The credential of operators. */
export class OperatorCredential {
  /** @param token null when no operator exists. */
  constructor(private readonly token: string | null) {}

  /** Compares in constant time for any length. */
  isRight(given: string): boolean {
    return this.token !== null && timingSafeEqual(digestOf(this.token), digestOf(given));
  }
}

function digestOf(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}
