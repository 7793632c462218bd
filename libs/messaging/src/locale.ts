import { match } from '@formatjs/intl-localematcher';
import { LRUCache } from 'lru-cache';
import Negotiator from 'negotiator';
import { kindOfNumber, type PhoneNumber } from '#phone';
import { DEFAULT_LOCALE } from './locales.js';
import type { MessagingOptions } from './messaging-options.js';

/** Hints at the recipient's language, the strongest first. */
interface Hints {
  /** A BCP 47 tag from the request, or null. */
  readonly locale: string | null;
  /** The Accept-Language header (RFC 9110, section 12.5.4), or null. */
  readonly acceptLanguage: string | null;
  /** The country of the phone number: ISO 3166-1 alpha-2, or `+883` for a number of no country. */
  readonly country: string;
}

type Choice = Pick<MessagingOptions, 'locales' | 'defaultLocale'>;

/** Chinese and the languages that are written like it, by their subtags. */
const CHINESE = new Set([
  'zh',
  'yue',
  'nan',
  'hak',
  'wuu',
  'gan',
  'hsn',
  'cdo',
  'cjy',
  'mnp',
  'cpx',
  'czh',
  'czo',
]);
/** Readers of Traditional Chinese there expect it when a request asks for no more than `zh`. */
const TRADITIONAL = new Set(['HK', 'MO', 'TW']);

/** Browsers send less. A bound keeps the cost of a hostile header small. */
const LONGEST_HINT = 500;
const MOST_LANGUAGES = 20;

/** Most requests come from a few countries and browsers. */
const MOST_REMEMBERED = 1_000;

/** Chooses the language of messages among those that the operator allows. */
export class LocaleChoice {
  private readonly chosen;

  constructor(options: Choice) {
    this.chosen = new LRUCache({
      max: MOST_REMEMBERED,
      memoMethod: (hints: string) => localeFor(JSON.parse(hints) as Hints, options),
    });
  }

  /** Returns the locale to write in to this number. */
  for(phoneNumber: PhoneNumber, locale: string | null = null, acceptLanguage: string | null = null): string {
    const { country } = kindOfNumber(phoneNumber);
    const hints = { locale: head(locale), acceptLanguage: head(acceptLanguage), country };
    return this.chosen.memo(JSON.stringify(hints));
  }
}

/** Returns the locale to write in: always one of `locales`. */
export function localeFor(
  { locale, acceptLanguage, country }: Hints,
  { locales, defaultLocale }: Choice,
): string {
  const available = (tags: readonly string[]) => firstAvailable(tags, locales, country);
  return (
    available([head(locale)]) ??
    available(accepted(head(acceptLanguage))) ??
    defaultLocale ??
    available([mainLanguageOf(country)]) ??
    available([DEFAULT_LOCALE]) ??
    (locales[0] as string)
  );
}

/**
 * Returns the first available locale. Uses lookup (RFC 4647, section 3.4): "best fit" would choose Russian for
 * Ukrainian, and keeps every tag that it has seen in memory.
 */
function firstAvailable(tags: readonly string[], locales: readonly string[], country: string): string | null {
  for (const tag of tags.filter(isLanguageTag)) {
    const scripts = chineseScripts(new Intl.Locale(tag), country);
    const found = scripts
      ? scripts.find((script) => locales.includes(script))
      : match([tag], locales, '', { algorithm: 'lookup' });
    if (found) return found;
  }
  return null;
}

/**
 * Returns the locales of Chinese that the reader of a tag accepts, the best first; null for other languages. Lookup
 * would cut `zh-TW` and `zh-Hant` to `zh`, which is Simplified.
 */
function chineseScripts(tag: Intl.Locale, country: string): string[] | null {
  if (!CHINESE.has(tag.language)) return null;
  if (tag.script === undefined && tag.region === undefined && tag.language === 'zh')
    return TRADITIONAL.has(country) ? ['zh-Hant'] : ['zh', 'zh-Hant'];
  return tag.maximize().script === 'Hant' ? ['zh-Hant'] : ['zh'];
}

/** Returns the languages in order of preference, without those excluded by `q=0`. */
function accepted(header: string): string[] {
  return new Negotiator({ headers: { 'accept-language': header } }).languages().slice(0, MOST_LANGUAGES);
}

/** Returns the most common language of the country and its script, by CLDR's likely subtags. */
function mainLanguageOf(country: string): string {
  const region = `und-${country}`;
  return isLanguageTag(region) ? new Intl.Locale(region).maximize().toString() : DEFAULT_LOCALE;
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
