import { match } from '@formatjs/intl-localematcher';
import Negotiator from 'negotiator';
import { LOCALES, USUAL_LOCALE } from './locales.js';

/** What tells the language of whoever asks for a code, the most telling first. */
interface Hints {
  /** A BCP 47 tag that the request named; null: it named none. */
  readonly locale: string | null;
  /** The Accept-Language header (RFC 9110, section 12.5.4); null: there is none. */
  readonly acceptLanguage: string | null;
  /** The phone number's: ISO 3166-1 alpha-2, or `+883` for a number of no country. */
  readonly country: string;
}

const AVAILABLE = Object.keys(LOCALES);

/** Browsers send less; whoever sends ten thousand characters does not get them read. */
const LONGEST_HINT = 500;
const MOST_LANGUAGES = 20;

/** The locale to write in: always one that there is, English if nothing tells another. */
export function localeFor({ locale, acceptLanguage, country }: Hints): string {
  return (
    available([head(locale)]) ??
    available(accepted(head(acceptLanguage))) ??
    available([languageOf(country)]) ??
    USUAL_LOCALE
  );
}

/**
 * The first that there is a locale for. By lookup (RFC 4647, section 3.4): the "best fit" would write Russian to
 * Ukrainians, and keeps every tag that it ever saw in memory.
 */
function available(tags: readonly string[]): string | null {
  return match(tags.filter(isLanguageTag), AVAILABLE, '', { algorithm: 'lookup' }) || null;
}

/** In the order of preference, without those that are not wanted (`q=0`). */
function accepted(header: string): string[] {
  return new Negotiator({ headers: { 'accept-language': header } }).languages().slice(0, MOST_LANGUAGES);
}

/** What most people there speak, by CLDR's likely subtags. */
function languageOf(country: string): string {
  const region = `und-${country}`;
  return isLanguageTag(region) ? new Intl.Locale(region).maximize().language : USUAL_LOCALE;
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
