import type { IntlMessageFormat } from 'intl-messageformat';
import type { AppConfig, Channel } from '#config';
import { LOCALES, NUMBER_CHANGED, type TextKind, type Wordings } from './locales.js';
import { fitsOneSegment } from './segments.js';
import { TextCatalog } from './text-catalog.js';

export type TemplateConfig = Pick<AppConfig, 'brand' | 'autofill'>;

interface Occasion {
  readonly channel: Channel;
  /** An available locale, as `localeFor` returns it. Any other gets English. */
  readonly locale: string;
  /** The country of the number, as `kindOfNumber` returns it; null: the texts of no country. */
  readonly country?: string | null;
  readonly code: string;
  readonly validForSeconds: number;
  /** The app that the client chose to read an SMS; null for none. */
  readonly appHash?: string | null;
}

/** The last line of an SMS, which lets a browser or an Android app fill the code in. */
export type AutofillLine = { readonly origin: string } | { readonly appHash: string } | null;

/** Added before rounding down, so that a short queueing delay does not turn five minutes into four. */
const QUEUEING_SECONDS = 5;

/** The most that Android's SMS Retriever reads (https://developers.google.com/identity/sms-retriever/verify). */
export const RETRIEVER_BYTES = 140;

/** Writes messages: those that carry codes, and the notice of a changed number. */
export class Templates {
  private readonly texts: TextCatalog;
  /** The chosen wording depends on lengths only, not on the code. Counting segments takes a millisecond, so it is cached. */
  private readonly chosen = new Map<string, IntlMessageFormat>();

  /**
   * @param countries texts for the numbers of a country. Nothing is added to them.
   * @throws SyntaxError when a template is not ICU MessageFormat.
   */
  constructor(
    private readonly config: TemplateConfig,
    locales: Readonly<Record<string, Wordings>> = LOCALES,
    countries: Readonly<Record<string, Readonly<Record<string, Wordings>>>> = {},
  ) {
    this.texts = new TextCatalog(locales, countries);
  }

  /** Returns the locale that a message is written in: texts of its country, or a language without this text, replace it. */
  localeOf(kind: TextKind, locale: string, country: string): string {
    return this.texts.find(kind, locale, country).locale;
  }

  /**
   * Writes the message, in one SMS where any wording fits one.
   *
   * @throws Error when a template uses an unknown argument, or the channel has no text.
   */
  compose({ channel, locale, country = null, code, validForSeconds, appHash = null }: Occasion): string {
    const text = this.texts.find(channel, locale, country);
    const values = {
      brand: this.config.brand,
      code: channel === 'call' ? spoken(code) : code,
      minutes: minutesOf(validForSeconds),
    };
    const line = channel === 'sms' && !text.isExact ? autofillLine(this.config.autofill, appHash) : null;
    const end = lastLine(line, code);
    const write = (wording: IntlMessageFormat) => `${wording.format(values)}${end}`;
    const reader = line && Object.keys(line)[0];
    const occasion = `${text.key} ${code.length} ${values.minutes} ${reader}`;
    const fits = (wording: IntlMessageFormat) => fitsOneSms(write(wording), line);
    const wording = this.chosen.get(occasion) ?? choose(text.wordings, fits);
    this.chosen.set(occasion, wording);
    return write(wording);
  }

  /**
   * Writes the notice that the number of the account was changed, in one SMS where any wording fits one.
   *
   * @throws Error when a template uses an unknown argument.
   */
  composeNumberChanged(channel: Channel, locale: string, country: string | null = null): string {
    const { brand } = this.config;
    const { wordings } = this.texts.find(NUMBER_CHANGED, locale, country);
    const write = (wording: IntlMessageFormat) => `${wording.format({ brand })}`;
    const fits = (wording: IntlMessageFormat) => channel !== 'sms' || fitsOneSms(write(wording), null);
    return write(choose(wordings, fits));
  }
}

/** Returns the first wording that fits, else the last one, which is the shortest. */
function choose(wordings: readonly IntlMessageFormat[], fits: (wording: IntlMessageFormat) => boolean) {
  return wordings.find(fits) ?? (wordings.at(-1) as IntlMessageFormat);
}

/** Returns the code with pauses between its characters. */
export function spoken(code: string): string {
  return [...code].join(', ');
}

/** Returns the line for the app that the client chose, else for the website, else for the first app. */
function autofillLine(
  { origin, appHashes: [first] }: TemplateConfig['autofill'],
  appHash: string | null,
): AutofillLine {
  if (appHash !== null) return { appHash };
  if (origin !== null) return { origin };
  return first === undefined ? null : { appHash: first };
}

/** Returns every kind of line that an SMS may end with. All app hashes have the same length, so one stands for them. */
export function autofillLines(autofill: TemplateConfig['autofill']): AutofillLine[] {
  const [appHash] = autofill.appHashes;
  const usual = autofillLine(autofill, null);
  return appHash !== undefined && autofill.origin !== null ? [usual, { appHash }] : [usual];
}

/** Returns whether the text fits one segment and, where an app reads it, the limit of SMS Retriever. */
export function fitsOneSms(text: string, line: AutofillLine): boolean {
  const isReadable = line === null || 'origin' in line || Buffer.byteLength(text) <= RETRIEVER_BYTES;
  return isReadable && fitsOneSegment(text);
}

/** Returns `@host #code` (https://wicg.github.io/sms-one-time-codes/, section 3.1), or the app's hash. */
function lastLine(line: AutofillLine, code: string): string {
  if (line === null) return '';
  return 'origin' in line ? `\n@${line.origin} #${code}` : `\n${line.appHash}`;
}

function minutesOf(seconds: number): number {
  return Math.max(1, Math.floor((seconds + QUEUEING_SECONDS) / 60));
}
