import {
  type AppConfig,
  CHANNELS,
  ConfigurationError,
  isLocaleTag,
  LOCALE_TAGS,
  membersOf,
  quoted,
  readJsonFile,
  requireCountry,
} from '#config';
import { LOCALES, NUMBER_CHANGED, type TextKind, type Wordings } from './locales.js';
import { compile } from './text-catalog.js';

type ByLocale = Readonly<Record<string, Wordings>>;

/** The texts of `MESSAGES_FILE`. */
export interface OwnTexts {
  /** They replace the built-in texts of a language, or add one. */
  readonly locales: ByLocale;
  /** By country, then language. They are sent to the numbers of the country without an addition. */
  readonly countries: Readonly<Record<string, ByLocale>>;
}

export const NO_OWN_TEXTS: OwnTexts = { locales: {}, countries: {} };

const KINDS: readonly string[] = [...CHANNELS, NUMBER_CHANGED] satisfies TextKind[];

/** Far longer than an SMS: WhatsApp and calls have longer texts. */
const LONGEST_TEXT = 1_000;

/**
 * Reads texts from a JSON file.
 *
 * @param file null: there are none.
 * @throws Error whose message names the member of the file and the rule, never a text.
 */
export function readMessages(file: string | null): OwnTexts {
  if (file === null) return NO_OWN_TEXTS;
  const members = membersOf(readJsonFile(file), 'the file');
  const unknown = Object.keys(members).find((name) => !['locales', 'countries'].includes(name));
  if (unknown !== undefined)
    throw new Error(`${quoted(unknown)} is not a member of this file: use "locales" and "countries"`);
  const countries = Object.entries(membersOf(members.countries ?? {}, 'countries')).map(
    ([country, texts]): [string, ByLocale] => {
      requireCountry(country);
      return [country, byLocale(texts, `countries.${country}`)];
    },
  );
  return { locales: byLocale(members.locales ?? {}, 'locales'), countries: Object.fromEntries(countries) };
}

function byLocale(given: unknown, path: string): ByLocale {
  const texts = Object.entries(membersOf(given, path)).map(([locale, wordings]): [string, Wordings] => {
    if (!isLocaleTag(locale))
      throw new Error(`${path} has ${quoted(locale)}, which is not a language tag such as nl or pt-PT`);
    return [locale, wordingsOf(wordings, `${path}.${locale}`, locale)];
  });
  return Object.fromEntries(texts);
}

function wordingsOf(given: unknown, path: string, locale: string): Wordings {
  const texts = Object.entries(membersOf(given, path)).map(([kind, text]) => {
    if (!KINDS.includes(kind))
      throw new Error(`${path} has the unknown member ${quoted(kind)}: use ${KINDS.join(', ')}`);
    return [kind, checked(text, `${path}.${kind}`, locale)];
  });
  return Object.fromEntries(texts);
}

function checked(given: unknown, path: string, locale: string): string | string[] {
  const texts: unknown[] = [given].flat();
  const isText = (text: unknown): text is string =>
    typeof text === 'string' && text.trim() !== '' && text.length <= LONGEST_TEXT;
  if (texts.length === 0 || !texts.every(isText))
    throw new Error(`${path} must be a text of at most ${LONGEST_TEXT} characters, or a list of such texts`);
  for (const text of texts) requireFormat(text, path, locale);
  return texts.length === 1 ? (texts[0] as string) : texts;
}

function requireFormat(text: string, path: string, locale: string): void {
  try {
    compile(text, locale);
  } catch {
    throw new Error(`${path} is not ICU MessageFormat: check its braces`);
  }
}

/** Returns the texts of each language, those of the file over the built-in ones. */
export function textsByLocale({ locales }: OwnTexts): ByLocale {
  const overridden = Object.entries(locales).map(([locale, own]): [string, Wordings] => {
    const builtIn = Object.hasOwn(LOCALES, locale) ? LOCALES[locale as keyof typeof LOCALES] : null;
    return [locale, builtIn ? { ...textsOf(builtIn), ...own } : own];
  });
  const builtIn = Object.entries(LOCALES).map(([locale, texts]) => [locale, textsOf(texts)]);
  return { ...Object.fromEntries(builtIn), ...Object.fromEntries(overridden) };
}

function textsOf({ sms, whatsapp, call, number_changed }: Wordings): Wordings {
  return { sms, whatsapp, call, number_changed };
}

/**
 * Returns the languages that messages are written in.
 *
 * @throws ConfigurationError when a setting names a language without texts.
 */
export function localesFor(
  { locales, defaultLocale }: Pick<AppConfig, 'locales' | 'defaultLocale'>,
  own: OwnTexts,
): readonly string[] {
  const available = [...new Set([...LOCALE_TAGS, ...Object.keys(own.locales)])];
  const rule = `${available.join(', ')}: MESSAGES_FILE has no texts in other languages`;
  const lacks = (names: readonly string[]) => names.some((name) => !available.includes(name));
  const faults = [
    ...(lacks(locales ?? []) ? [{ name: 'LOCALES', rule: `must be one or more of ${rule}` }] : []),
    ...(lacks(defaultLocale === null ? [] : [defaultLocale])
      ? [{ name: 'DEFAULT_LOCALE', rule: `must be one of ${rule}` }]
      : []),
  ];
  if (faults.length > 0) throw new ConfigurationError(faults);
  return locales ?? available;
}
