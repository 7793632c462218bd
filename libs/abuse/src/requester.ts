import { maskPhoneNumber, type PhoneNumber } from '#phone';
import type { Details } from './abuse-events.js';

/** Facts about the client that sent a request. */
export interface Requester {
  /** The client's IP address, as reported by trusted proxies. */
  readonly address: string;
  /** The client of the API that the request counts for, because it does not state the address of its user. Usually null. */
  readonly apiClient?: string | null;
  /** The `User-Agent` header. */
  readonly userAgent: string | null;
  readonly deviceToken: string | null;
  /** The token of the cookie that the first half of a sign-up set. */
  readonly signUpToken: string | null;
  /** A solved ALTCHA challenge. */
  readonly proof: string | null;
  /** False: its protocol has no place for a challenge, so none is required because of what others did to the number. */
  readonly canProve?: boolean;
}

/** Returns the log members that name a phone number: its mask and its keyed hash. */
export function describeNumber(phoneNumber: PhoneNumber, phoneIndex: string): Details {
  return { number: maskPhoneNumber(phoneNumber), number_hash: phoneIndex };
}
