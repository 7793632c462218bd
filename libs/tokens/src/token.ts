import { createHash, randomBytes } from 'node:crypto';
import { base32nopad } from '@scure/base';

/** What a token may be used for. */
export type Scope = 'authentication';

/** 16 random bytes in base32 (RFC 4648, section 6, without padding): 26 characters that survive any transport. */
export function newTokenSecret(): string {
  return base32nopad.encode(randomBytes(16));
}

/** Whether the text has a token's form; anything else cannot be one. */
export function isTokenSecret(text: string): boolean {
  return /^[A-Z2-7]{26}$/.test(text);
}

/** What is stored. A plain hash is enough for 128 random bits: there is nothing to guess. */
export function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
