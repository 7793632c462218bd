import { match } from '@formatjs/intl-localematcher';
import Negotiator from 'negotiator';
import { DEFAULT_LOCALE, LOCALES } from './locales.js';

/** Hints at the recipient's language, the strongest first. */
interface Hints {
  /** A BCP 47 tag from the request, or null. */
  readonly locale: string | null;
  /** The Accept-Language header (RFC 9110, section 12.5.4), or null. */
  readonly acceptLanguage: string | null;
  /** The country of the phone number: ISO 3166-1 alpha-2, or `+883` for a number of no country. */
  readonly country: string;
}

const AVAILABLE = Object.keys(LOCALES);

/** Browsers send less. A bound keeps the cost of a hostile header small. */
const LONGEST_HINT = 500;
const MOST_LANGUAGES = 20;

/** Returns the locale to write in: always an available one, English when no hint matches. */
export function localeFor({ locale, acceptLanguage, country }: Hints): string {
  return (
    available([head(locale)]) ??
    available(accepted(head(acceptLanguage))) ??
    available([languageOf(country)]) ??
    DEFAULT_LOCALE
  );
}

/**
 * Returns the first available locale. Uses lookup (RFC 4647, section 3.4): "best fit" would choose Russian for
 * Ukrainian, and keeps every tag that it has seen in memory.
 */
function available(tags: readonly string[]): string | null {
  return match(tags.filter(isLanguageTag), AVAILABLE, '', { algorithm: 'lookup' }) || null;
}

/** Returns the languages in order of preference, without those excluded by `q=0`. */
function accepted(header: string): string[] {
  return new Negotiator({ headers: { 'accept-language': header } }).languages().slice(0, MOST_LANGUAGES);
}

/** Returns the most common language of the country, by CLDR's likely subtags. */
function languageOf(country: string): string {
  const region = `und-${country}`;
  return isLanguageTag(region) ? new Intl.Locale(region).maximize().language : DEFAULT_LOCALE;
}

function isLanguageTag(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}

function head(hint: string | null): string {
  return (hint ?? '').slice(0, LONGEST_HINT);
}
