import { randomBytes } from 'node:crypto';
import type { Route } from '#config';
import type { PhoneNumber } from '#phone';
import type { Delivery, DeliveryChange } from './delivery.js';

/** Unguessable (128 random bits), because knowing it gives access to the verification. */
export type VerificationId = string & { readonly __brand: 'VerificationId' };

/**
 * `sign_up`: found by its phone number, as `POST /signup` does. `sign_in`: found by its id only. `change_number`: moves the
 * account of a session to the number, and only this session may check its code. `verify`: proves the number to the client of the
 * API that requested it, which alone may check its code; there is no account.
 */
export type Purpose = 'sign_up' | 'sign_in' | 'change_number' | 'verify';

export type VerificationStatus = 'pending' | 'approved' | 'canceled' | 'max_attempts_reached' | 'expired';

/** A client that requested a message of a sign-up, by its own first half of the request. */
export interface SignUpClient {
  /** A keyed hash of its address. */
  readonly address: string;
  /** The name that it gave. */
  readonly name: string | null;
  /** Its place among the clients of the number, in the order of their newest requests. */
  readonly nth: number;
}

/** One proof of one phone number: the server sends a code, and the recipient enters it. The code is stored nowhere. */
export interface Verification {
  readonly id: VerificationId;
  readonly purpose: Purpose;
  readonly phoneNumber: PhoneNumber;
  /** The phone number, sealed. */
  readonly phoneSealed: string;
  readonly phoneIndex: string;
  /** The session that a change of number is bound to; null for every other purpose. */
  readonly sessionId: string | null;
  /** The client of the API that `verify` is bound to; null for every other purpose. */
  readonly apiClient: string | null;
  /** The name given by the only client. Used when the sign-in creates the account. */
  readonly name: string | null;
  /** The language of the message. */
  readonly locale: string | null;
  /** The hash of the Android app that reads the SMS, chosen by the client; null for the server's usual last line. */
  readonly appHash: string | null;
  /** The route of the newest message. */
  readonly route: Route;
  /** The known device that opened the verification; null for an unknown device. */
  readonly device: string | null;
  /** The abuse policy's ticket of each message. */
  readonly tickets: readonly string[];
  /** The abuse policy's charge of each message, the newest one last; `NO_CHARGE` for a message without one. */
  readonly charges: readonly string[];
  /** Digits, or characters of Crockford's base32 (`CODE_LENGTHS`). */
  readonly codeLength: number;
  /** The id of the secret that the code is derived from. */
  readonly secretId: string;
  readonly status: VerificationStatus;
  /** The attempts of the only client, or of each client that has not guessed yet. */
  readonly attemptsLeft: number;
  /** The clients of a sign-up that requested its messages, by a keyed hash of their cookie. */
  readonly clients: Readonly<Record<string, SignUpClient>>;
  /** Attempts made by each client of a sign-up. */
  readonly attemptsBy: Readonly<Record<string, number>>;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** When the client may request the next message. */
  readonly resendAt: Date;
  /** The number of messages so far, which is also the number of the newest one. */
  readonly messageCount: number;
  readonly delivery: Delivery;
  /** The store's time when this was read. Compare it with the other times: this process's clock may differ. */
  readonly readAt: Date;
}

/** The stored charge of a message that was not charged. */
export const NO_CHARGE = 'none';

/** Returns the charge of a message; null for none. Messages that older versions queued have none. */
export function chargeOf(
  { charges, messageCount }: Pick<Verification, 'charges' | 'messageCount'>,
  messageNumber: number,
): string | null {
  const charge = charges[charges.length - 1 - (messageCount - messageNumber)];
  return charge === undefined || charge === NO_CHARGE ? null : charge;
}

/** Returns the verification after this change of its delivery, which its store made at this time. Its status is that of before. */
export function afterChange(before: Verification, change: DeliveryChange, at: Date): Verification {
  const { addsMessage, route, charge, ...delivery } = change;
  const { version } = before.delivery;
  const changed = { ...before.delivery, ...delivery, updatedAt: at, version: version + 1 };
  if (!addsMessage) return { ...before, route, delivery: changed, readAt: at };
  return {
    ...before,
    route,
    readAt: at,
    messageCount: before.messageCount + 1,
    charges: [...before.charges, charge ?? NO_CHARGE],
    delivery: { ...changed, requestedAt: at },
  };
}

export function newVerificationId(): VerificationId {
  return randomBytes(16).toString('base64url') as VerificationId;
}

/** Characters of an id in logs. The 14 others keep it unguessable: they are 80 random bits or more. */
const REFERENCE_LENGTH = 8;

/** Returns the reference by which logs and operators name a verification. A whole id gives access to it. */
export function referenceOf(id: VerificationId): string {
  return id.slice(0, REFERENCE_LENGTH);
}

/** Returns whether the text has the form of an id. */
export function isVerificationId(text: string): text is VerificationId {
  return /^[\w-]{22}$/.test(text);
}
