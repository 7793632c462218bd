import { hash, randomBytes } from 'node:crypto';
import { base32nopad } from '@scure/base';

/** The use of a token. The table may have tokens of other scopes, such as those of the Go server. */
export type Scope = 'authentication';

export const SECRET_BYTES = 16;

/** Returns 16 random bytes as the secret of a token. */
export function newTokenSecret(): string {
  return secretFrom(randomBytes(SECRET_BYTES));
}

/** Writes bytes in base32 (RFC 4648, section 6, without padding): 26 characters that survive any transport. */
export function secretFrom(bytes: Uint8Array): string {
  return base32nopad.encode(bytes);
}

/** Returns true if the text has the form of the secret of a token or a refresh token. */
export function isTokenSecret(text: string): boolean {
  return /^[A-Z2-7]{26}$/.test(text);
}

/** Returns the hash to store. A plain hash is enough for 128 random bits, which cannot be guessed. */
export function hashOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}
