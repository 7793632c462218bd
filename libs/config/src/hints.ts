import { getCountries } from 'libphonenumber-js/max';
import { parseList } from './list.js';

/**
 * Returns what is wrong with a value and how to correct it, or null. A hint may name a well-known word that the value
 * contains, but never the value: it may be a secret.
 */
export type Hint = (value: string) => string | null;

const OTHER_COUNTRY_CODES: Readonly<Record<string, string>> = {
  EL: 'GR',
  GBR: 'GB',
  UAE: 'AE',
  UK: 'GB',
  USA: 'US',
};

/** Hints that fit every variable: quotation marks that reached the value, and letters of the wrong case. */
export function generalHint(value: string, holds: (value: string) => boolean): string | null {
  if (/^(["']).*\1$/s.test(value)) return 'remove the quotation marks around it';
  if (holds(value.toLowerCase())) return 'write it in small letters';
  if (holds(value.toUpperCase())) return 'write it in capital letters';
  return null;
}

export const durationHint: Hint = (value) =>
  /^\d+$/.test(value) ? 'a number needs a unit: ms, s, m, h or d' : null;

export const countryHint: Hint = (value) => {
  const words = parseList(value).map((word) => word.toUpperCase());
  const corrections = words.flatMap((word) => {
    const code = OTHER_COUNTRY_CODES[word] ?? codesByName().get(word);
    return code ? [`${word} is ${code}`] : [];
  });
  return corrections.length > 0 ? corrections.join(', ') : null;
};

export const addressHint: Hint = (value) => {
  if (!/^[\w+.-]+:\/\//.test(value)) return 'the scheme in front of the host is missing';
  if (/^[^@]*[#?/%\s@].*@/.test(value.replace(/^[\w+.-]+:\/\//, '')))
    return 'signs such as # / ? % @ in its user or password must be percent-encoded, for example # as %23';
  return null;
};

export const originHint: Hint = (value) => {
  const origins = parseList(value);
  if (origins.includes('*')) return 'name the origins: * would allow every page';
  if (origins.some((origin) => !origin.includes('://'))) return 'the scheme in front of the host is missing';
  if (origins.some((origin) => /:\/\/.*\//.test(origin)))
    return 'an origin has no path and no slash at its end';
  return null;
};

/** The codes of countries by their English names in capital letters. */
function codesByName(): ReadonlyMap<string, string> {
  const names = new Intl.DisplayNames('en', { type: 'region' });
  return new Map(getCountries().map((code) => [String(names.of(code)).toUpperCase(), code]));
}
