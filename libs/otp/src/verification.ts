import { randomBytes } from 'node:crypto';
import type { Route } from '#config';
import type { PhoneNumber } from '#phone';
import type { Delivery } from './delivery.js';

/** Unguessable (128 random bits), because knowing it gives access to the verification. */
export type VerificationId = string & { readonly __brand: 'VerificationId' };

/** `sign_up`: found by its phone number, as `POST /signup` does. `sign_in`: found by its id only. */
export type Purpose = 'sign_up' | 'sign_in';

export type VerificationStatus = 'pending' | 'approved' | 'canceled' | 'max_attempts_reached' | 'expired';

/** One proof of one phone number: the server sends a code, and the recipient enters it. The code is stored nowhere. */
export interface Verification {
  readonly id: VerificationId;
  readonly purpose: Purpose;
  readonly phoneNumber: PhoneNumber;
  /** The name given by the client. Used when the sign-in creates the account. */
  readonly name: string | null;
  /** The language of the message. */
  readonly locale: string | null;
  /** The route of the newest message. */
  readonly route: Route;
  /** The known device that opened the verification; null for an unknown device. */
  readonly device: string | null;
  /** The abuse policy's ticket of each message. */
  readonly tickets: readonly string[];
  /** Digits, or characters of Crockford's base32 (`CODE_LENGTHS`). */
  readonly codeLength: number;
  /** The id of the secret that the code is derived from. */
  readonly secretId: string;
  readonly status: VerificationStatus;
  readonly attemptsLeft: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** When the client may request the next message. */
  readonly resendAt: Date;
  /** The number of messages so far, which is also the number of the newest one. */
  readonly messageCount: number;
  readonly delivery: Delivery;
}

export function newVerificationId(): VerificationId {
  return randomBytes(16).toString('base64url') as VerificationId;
}

/** Returns whether the text has the form of an id. */
export function isVerificationId(text: string): text is VerificationId {
  return /^[\w-]{22}$/.test(text);
}
