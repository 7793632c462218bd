import { createHash, randomBytes } from 'node:crypto';
import { base32nopad } from '@scure/base';

/** The purpose of a token. */
export type Scope = 'authentication';

/** Returns 16 random bytes in base32 (RFC 4648, section 6, without padding): 26 characters that survive any transport. */
export function newTokenSecret(): string {
  return base32nopad.encode(randomBytes(16));
}

/** Returns true if the text has the form of a token secret. */
export function isTokenSecret(text: string): boolean {
  return /^[A-Z2-7]{26}$/.test(text);
}

/** Returns the hash to store. A plain hash is enough for 128 random bits, which cannot be guessed. */
export function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
