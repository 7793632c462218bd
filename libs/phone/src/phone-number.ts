import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/max';

/** A telephone number in E.164 form (ITU-T E.164): `+`, country code, national number; digits only. */
export type PhoneNumber = string & { readonly __brand: 'PhoneNumber' };

/** An ISO 3166-1 alpha-2 code with a numbering plan, such as `US`. */
export type Region = CountryCode;

/**
 * Reads a phone number the way people write it: spaces, hyphens and brackets, any script's digits.
 * One line has one reading, so that one line cannot hold two accounts.
 *
 * @param region where a number without `+` belongs; without one only international numbers are read.
 * @returns null for whatever is not a number that can be dialled: unknown ranges, extensions, words.
 */
export function parsePhoneNumber(text: string, region?: Region): PhoneNumber | null {
  // NFKC folds the full-width plus sign, which the library does not know, into the common one.
  const parsed = parsePhoneNumberFromString(text.normalize('NFKC').trim(), {
    defaultCountry: region,
    extract: false,
  });
  if (!parsed?.isValid() || parsed.ext) return null;
  return parsed.number as string as PhoneNumber;
}

/** For logs and people: enough to recognise a number one already knows, too little to dial it. */
export function maskPhoneNumber(phoneNumber: PhoneNumber): string {
  return `${phoneNumber.slice(0, 3)}${'*'.repeat(phoneNumber.length - 5)}${phoneNumber.slice(-2)}`;
}
