import { createHmac, timingSafeEqual } from 'node:crypto';
import { base32crockford } from '@scure/base';
import { withLatinDigits } from '#phone';
import { hotp } from './hotp.js';

/** Codes of this length are characters of Crockford's base32: 50 bits. Shorter ones are digits. */
const CHARACTERS_FROM = 10;

/** The one code of a verification's key. */
export function deriveCode(key: Buffer, length: number): string {
  if (length < CHARACTERS_FROM) return hotp(key, 0n, length);
  const mac = createHmac('sha256', key).update('characters').digest();
  return base32crockford.encode(mac).slice(0, length);
}

/**
 * What a person typed, as the code was meant: any script's digits, without spaces and hyphens. Of characters, either
 * case, and by Crockford's rule `I` and `L` are read as 1, `O` as 0.
 */
export function readCode(typed: string, length: number): string {
  const code = withLatinDigits(typed).replace(/[\s\p{Pd}]/gu, '');
  if (length < CHARACTERS_FROM) return code;
  return code.toUpperCase().replace(/[IL]/g, '1').replaceAll('O', '0');
}

/** In constant time for codes of one length, so that the answer's delay tells no digits. */
export function isSameCode(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
