import { randomBytes } from 'node:crypto';
import type { PhoneNumber } from '#phone';
import type { Delivery } from './delivery.js';

/** Unguessable (128 random bits), because it works as the handle of whoever asked. */
export type VerificationId = string & { readonly __brand: 'VerificationId' };

/** `sign_up`: the one that `POST /signup` finds by the number. `sign_in`: found by its id only. */
export type Purpose = 'sign_up' | 'sign_in';

export type VerificationStatus = 'pending' | 'approved' | 'canceled' | 'max_attempts_reached' | 'expired';

/** One proof of one phone number: a code goes out, a person types it in. The code itself is nowhere. */
export interface Verification {
  readonly id: VerificationId;
  readonly purpose: Purpose;
  readonly phoneNumber: PhoneNumber;
  /** What the person asked to be called, used when this sign-in makes the account. */
  readonly name: string | null;
  /** The language that the code is told in. */
  readonly locale: string | null;
  /** How the newest message travels. */
  readonly channel: string;
  /** The known device that opened it; null for a stranger. */
  readonly device: string | null;
  /** What the abuse policy wants to see again, one for each message. */
  readonly tickets: readonly string[];
  /** Digits; from ten on, characters of Crockford's base32. */
  readonly codeLength: number;
  /** Which secret the code is derived from. */
  readonly secretId: string;
  readonly status: VerificationStatus;
  readonly attemptsLeft: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** When the next message may be asked for. */
  readonly resendAt: Date;
  /** How many messages there were; names the newest one. */
  readonly sends: number;
  readonly delivery: Delivery;
}

export function newVerificationId(): VerificationId {
  return randomBytes(16).toString('base64url') as VerificationId;
}

/** Whether the text has an id's form; anything else cannot name a verification. */
export function isVerificationId(text: string): text is VerificationId {
  return /^[\w-]{22}$/.test(text);
}
