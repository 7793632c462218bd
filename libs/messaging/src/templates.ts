import { IntlMessageFormat } from 'intl-messageformat';
import { type AppConfig, CHANNELS, type Channel } from '#config';
import { DEFAULT_LOCALE, LOCALES, type Wordings } from './locales.js';
import { segmentsOf } from './segments.js';

export type TemplateConfig = Pick<AppConfig, 'brand' | 'autofill'>;

interface Occasion {
  readonly channel: Channel;
  /** An available locale, as `localeFor` returns it. Any other gets English. */
  readonly locale: string;
  readonly code: string;
  readonly validForSeconds: number;
}

/** Added before rounding down, so that a short queueing delay does not turn five minutes into four. */
const QUEUEING_SECONDS = 5;

/** The most that Android's SMS Retriever reads (https://developers.google.com/identity/sms-retriever/verify). */
export const RETRIEVER_BYTES = 140;

/** Writes the messages that carry codes. */
export class Templates {
  private readonly wordings = new Map<string, readonly IntlMessageFormat[]>();
  /** The chosen wording depends on the code's length only. Counting segments takes a millisecond, so it is cached. */
  private readonly chosen = new Map<string, IntlMessageFormat>();

  /** @throws SyntaxError when a template is not ICU MessageFormat. */
  constructor(
    private readonly config: TemplateConfig,
    locales: Readonly<Record<string, Wordings>> = LOCALES,
  ) {
    for (const [locale, texts] of Object.entries(locales))
      for (const channel of CHANNELS)
        this.wordings.set(keyOf(locale, channel), compiled(locale, texts[channel]));
  }

  /**
   * Writes the message, in one SMS where any wording fits one.
   *
   * @throws Error when a template uses an unknown argument, or the channel has no text.
   */
  compose({ channel, locale, code, validForSeconds }: Occasion): string {
    const values = {
      brand: this.config.brand,
      code: channel === 'call' ? spoken(code) : code,
      minutes: minutesOf(validForSeconds),
    };
    const end = channel === 'sms' ? lastLine(this.config.autofill, code) : '';
    const write = (wording: IntlMessageFormat) => `${wording.format(values)}${end}`;
    const occasion = `${keyOf(locale, channel)} ${code.length} ${values.minutes}`;
    const wording = this.chosen.get(occasion) ?? this.choose(this.wordingsFor(locale, channel), write);
    this.chosen.set(occasion, wording);
    return write(wording);
  }

  private wordingsFor(locale: string, channel: Channel): readonly IntlMessageFormat[] {
    const own = this.wordings.get(keyOf(locale, channel));
    return own ?? this.wordings.get(keyOf(DEFAULT_LOCALE, channel)) ?? [];
  }

  private choose(wordings: readonly IntlMessageFormat[], write: (wording: IntlMessageFormat) => string) {
    const wording = wordings.find((each) => fitsOneSms(write(each), this.config.autofill)) ?? wordings.at(-1);
    if (wording === undefined) throw new Error('there is no text for this channel');
    return wording;
  }
}

/** Returns the code with pauses between its characters. */
export function spoken(code: string): string {
  return [...code].join(', ');
}

/** Returns whether the text fits one segment and, where an app reads it, the limit of SMS Retriever. */
export function fitsOneSms(text: string, autofill: TemplateConfig['autofill']): boolean {
  const isReadByApp = autofill === null || 'origin' in autofill || Buffer.byteLength(text) <= RETRIEVER_BYTES;
  return isReadByApp && segmentsOf(text).segments === 1;
}

/** Returns `@host #code` (https://wicg.github.io/sms-one-time-codes/, section 3.1), or the app's hash. */
function lastLine(autofill: TemplateConfig['autofill'], code: string): string {
  if (autofill === null) return '';
  return 'origin' in autofill ? `\n@${autofill.origin} #${code}` : `\n${autofill.appHash}`;
}

function minutesOf(seconds: number): number {
  return Math.max(1, Math.floor((seconds + QUEUEING_SECONDS) / 60));
}

function compiled(locale: string, texts: string | readonly string[] = []): IntlMessageFormat[] {
  return [texts].flat().map((text) => new IntlMessageFormat(text, locale));
}

function keyOf(locale: string, channel: Channel): string {
  return `${locale} ${channel}`;
}
