import {
  type CountryCode,
  type NumberType,
  type PhoneNumber as ParsedNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max';
import { LRUCache } from 'lru-cache';
import { currentFormsOf } from './line-forms.js';
import { hasNewAreaCode } from './new-area-codes.js';

/** A telephone number in E.164 form (ITU-T E.164): `+`, country code, national number; digits only. */
export type PhoneNumber = string & { readonly __brand: 'PhoneNumber' };

/** An ISO 3166-1 alpha-2 code with a numbering plan, such as `US`. */
export type Region = CountryCode;

/**
 * `mobile`: may receive texts. Includes lines of plans that do not separate mobile from fixed. `fixed`: receives calls
 * only. `other`: premium-rate, toll-free, shared-cost and other special numbers.
 */
export type Line = 'mobile' | 'fixed' | 'other';

/** The country and the type of line of a number. */
export interface NumberKind {
  /** An ISO 3166-1 alpha-2 code, or `+` and the calling code for numbers without a country, such as satellite phones. */
  readonly country: string;
  readonly line: Line;
}

/** The context in which a number is read. */
export interface ReadingOptions {
  /** The country of a number without `+`. Without it only international numbers are accepted. */
  readonly region?: Region;
  /** Prefixes of international numbers, such as `+8619`, whose numbers are accepted although the library rejects them. */
  readonly newRanges?: readonly string[];
}

const LINES: Partial<Record<NonNullable<NumberType>, Line>> = {
  MOBILE: 'mobile',
  FIXED_LINE_OR_MOBILE: 'mobile',
  FIXED_LINE: 'fixed',
};

/** The largest country of each shared calling code, for numbers that do not tell theirs. */
const MAIN_COUNTRIES: Readonly<Record<string, string>> = {
  ...{ 1: 'US', 7: 'RU', 39: 'IT', 44: 'GB', 47: 'NO', 61: 'AU', 212: 'MA' },
  ...{ 262: 'RE', 290: 'SH', 358: 'FI', 590: 'GP', 599: 'CW' },
};

/** The calling codes of services that belong to no country: satellites, international networks, shared-cost services. */
const WITHOUT_COUNTRY = /^\+(8(?:00|08|70|78|81|82|83|88)|979)/;
const PREMIUM = /^\+(979|1\d{3}976)/;

/** Contact apps wrap numbers in invisible marks of writing direction, which are copied with the number. */
const INVISIBLE = /\p{Cf}/gu;

/** At most 15 digits (ITU-T E.164), at least the 7 of the shortest numbers in use. Some numbering plans describe others. */
const E164 = /^\+[1-9]\d{6,14}$/;

/**
 * A request needs the kind of its number several times. Forgotten after a second, so that later requests do not tell by their time
 * that the number was in use.
 */
const KINDS = new LRUCache<PhoneNumber, NumberKind, ParsedNumber | undefined>({
  max: 1_000,
  ttl: 1_000,
  memoMethod: (phoneNumber, _, { context }) =>
    classify(phoneNumber, context ?? parsePhoneNumberFromString(phoneNumber)),
});

/**
 * Reads a phone number as people write it: with spaces, hyphens and brackets, and in the digits of any script.
 * Every spelling of a number gives the same result, so that one phone line cannot have two accounts.
 *
 * @returns null for anything else: unknown ranges, extensions, words.
 */
export function parsePhoneNumber(
  text: string,
  { region, newRanges = [] }: ReadingOptions = {},
): PhoneNumber | null {
  const written = withLatinDigits(text).replace(INVISIBLE, '').trim();
  const parsed = parsePhoneNumberFromString(written, { defaultCountry: region, extract: false });
  if (!parsed || parsed.ext) return null;
  const number = currentFormOf(parsed) ?? parsed.number;
  const reparsed = number === written ? parsed : parsePhoneNumberFromString(number);
  if (!E164.test(number) || !isInUse(number, reparsed, newRanges)) return null;
  const phoneNumber = number as PhoneNumber;
  KINDS.memo(phoneNumber, { context: reparsed });
  return phoneNumber;
}

/** Classifies a number by the numbering plans alone; does not look up the line. */
export function kindOfNumber(phoneNumber: PhoneNumber): NumberKind {
  return KINDS.memo(phoneNumber);
}

function classify(phoneNumber: PhoneNumber, parsed: ParsedNumber | undefined): NumberKind {
  const network = WITHOUT_COUNTRY.exec(phoneNumber);
  if (network) return { country: network[0], line: PREMIUM.test(phoneNumber) ? 'other' : 'mobile' };
  const type = parsed?.getType();
  // Only a range that is newer than the library has no type: no other unknown number is accepted.
  const line = type === undefined ? 'mobile' : (LINES[type] ?? 'other');
  return { country: countryOf(parsed), line: PREMIUM.test(phoneNumber) ? 'other' : line };
}

/** Returns true if a line of this type can receive messages of the channel. */
export function isReachableBy(channel: string, line: Line): boolean {
  return line === 'mobile' || (line === 'fixed' && channel === 'call');
}

/** Returns the prefix that the block of 10^`digits` numbers around this one shares. */
export function blockOf(phoneNumber: PhoneNumber, digits: number): string {
  return phoneNumber.slice(0, -digits);
}

/** Converts the decimal digits of any script to 0–9. NFKC folds full-width digits and signs. */
export function withLatinDigits(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/(?![0-9])\p{Nd}/gu, (digit) => String(digitValue(digit.codePointAt(0) as number)));
}

/** Masks a number for logs: enough digits to recognise a known number, too few to dial it. */
export function maskPhoneNumber(phoneNumber: PhoneNumber): string {
  return `${phoneNumber.slice(0, 3)}${'*'.repeat(phoneNumber.length - 5)}${phoneNumber.slice(-2)}`;
}

/** Relies on Unicode: the ten digits of a script are adjacent, from zero to nine. */
function digitValue(digit: number): number {
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(digit - before - 1))) before += 1;
  return before % 10;
}

/** Returns the number in the form of today's numbering plan if it was given in another one; else null. */
function currentFormOf({ number }: ParsedNumber): string | null {
  const current = currentFormsOf(number)
    .map((form) => parsePhoneNumberFromString(form))
    .find((form) => form?.isValid());
  return current?.number ?? null;
}

function isInUse(number: string, parsed: ParsedNumber | undefined, newRanges: readonly string[]): boolean {
  // A number that still begins with a national prefix, after two of them, would be read as another one the next time.
  if (parsed?.number !== number) return false;
  if (WITHOUT_COUNTRY.test(number) || newRanges.some((prefix) => number.startsWith(prefix))) return true;
  // The library knows the country of an invalid number in a known area code outside of the USA and Canada.
  return parsed.isValid() || (parsed.country === undefined && hasNewAreaCode(number));
}

function countryOf(parsed: ParsedNumber | undefined): string {
  const callingCode = parsed?.countryCallingCode ?? '';
  return parsed?.country ?? MAIN_COUNTRIES[callingCode] ?? `+${callingCode}`;
}
