import { IntlMessageFormat } from 'intl-messageformat';
import { type AppConfig, CHANNELS, type Channel } from '#config';
import { LOCALES, USUAL_LOCALE, type Wordings } from './locales.js';
import { segmentsOf } from './segments.js';

export type TemplateConfig = Pick<AppConfig, 'brand' | 'autofill'>;

interface Occasion {
  readonly channel: Channel;
  /** One of ours, as `localeFor` finds it; any other is written to in English. */
  readonly locale: string;
  readonly code: string;
  readonly validForSeconds: number;
}

/** What passes between the request and the message does not make five minutes four. */
const ON_THE_WAY_SECONDS = 5;

/** The most that Android's SMS Retriever reads (https://developers.google.com/identity/sms-retriever/verify). */
export const RETRIEVER_BYTES = 140;

/** Writes the messages that carry codes. */
export class Templates {
  private readonly wordings = new Map<string, readonly IntlMessageFormat[]>();
  /** Which one fits depends on how long the code is and not on what it is, and to count costs a millisecond. */
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
   * The message, in one SMS wherever some wording fits one.
   *
   * @throws Error when a template asks for an argument that there is not, or the channel has none.
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
    return own ?? this.wordings.get(keyOf(USUAL_LOCALE, channel)) ?? [];
  }

  private choose(wordings: readonly IntlMessageFormat[], write: (wording: IntlMessageFormat) => string) {
    const wording = wordings.find((each) => fitsOneSms(write(each), this.config.autofill)) ?? wordings.at(-1);
    if (wording === undefined) throw new Error('there is no text');
    return wording;
  }
}

/** With pauses between the characters. */
export function spoken(code: string): string {
  return [...code].join(', ');
}

/** Whether nobody pays for a second segment and, where an app waits for the text, the app can read it. */
export function fitsOneSms(text: string, autofill: TemplateConfig['autofill']): boolean {
  const isReadByApp = autofill === null || 'origin' in autofill || Buffer.byteLength(text) <= RETRIEVER_BYTES;
  return isReadByApp && segmentsOf(text).segments === 1;
}

/** `@host #code` (https://wicg.github.io/sms-one-time-codes/, section 3.1), or the hash that the app is known by. */
function lastLine(autofill: TemplateConfig['autofill'], code: string): string {
  if (autofill === null) return '';
  return 'origin' in autofill ? `\n@${autofill.origin} #${code}` : `\n${autofill.appHash}`;
}

function minutesOf(seconds: number): number {
  return Math.max(1, Math.floor((seconds + ON_THE_WAY_SECONDS) / 60));
}

function compiled(locale: string, texts: string | readonly string[] = []): IntlMessageFormat[] {
  return [texts].flat().map((text) => new IntlMessageFormat(text, locale));
}

function keyOf(locale: string, channel: Channel): string {
  return `${locale} ${channel}`;
}
