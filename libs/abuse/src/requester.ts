import { maskPhoneNumber, type PhoneNumber } from '#phone';
import type { Details } from './limits.js';

/** What a request says of whoever sent it. */
export interface Requester {
  /** The IP address it came from, as far as trusted proxies tell. */
  readonly address: string;
  readonly deviceToken: string | null;
  /** A solved ALTCHA challenge. */
  readonly proof: string | null;
}

/** A number as operators may read of it. */
export function describeNumber(phoneNumber: PhoneNumber, index: string): Details {
  return { number: maskPhoneNumber(phoneNumber), number_hash: index };
}
