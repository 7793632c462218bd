import { createHmac, timingSafeEqual } from 'node:crypto';
import { base32crockford } from '@scure/base';
import { withLatinDigits } from '#phone';
import { hotp } from './hotp.js';

/**
 * The lengths that a code can be asked for. Up to nine characters it consists of digits; the longest consists of
 * characters of Crockford's base32 and has 50 bits.
 */
export const CODE_LENGTHS = { shortest: 6, long: 8, longest: 10 } as const;

/** Derives the one code of a verification's key. */
export function deriveCode(key: Buffer, length: number): string {
  if (!hasLetters(length)) return hotp(key, 0n, length);
  const mac = createHmac('sha256', key).update('characters').digest();
  return base32crockford.encode(mac).slice(0, length);
}

/**
 * Normalizes a typed code: accepts any script's digits, and drops spaces and hyphens. In codes with letters, case does not
 * matter, and Crockford's rules read `I` and `L` as 1 and `O` as 0.
 */
export function readCode(typed: string, length: number): string {
  const code = withLatinDigits(typed).replace(/[\s\p{Pd}]/gu, '');
  if (!hasLetters(length)) return code;
  return code.toUpperCase().replace(/[IL]/g, '1').replaceAll('O', '0');
}

/** Compares in constant time for codes of one length, so that the response time reveals no digits. */
export function isSameCode(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Returns a code of this length for examples and for measuring messages; no verification has it. */
export function sampleCode(length: number): string {
  return (hasLetters(length) ? '7QK2M9X4TB' : '739145268').slice(0, length);
}

function hasLetters(length: number): boolean {
  return length >= CODE_LENGTHS.longest;
}
