import { type Channel, isLocaleTag, type LocaleTag } from '#config';
import ar from '../locales/ar.json' with { type: 'json' };
import de from '../locales/de.json' with { type: 'json' };
import en from '../locales/en.json' with { type: 'json' };
import es from '../locales/es.json' with { type: 'json' };
import fr from '../locales/fr.json' with { type: 'json' };
import hi from '../locales/hi.json' with { type: 'json' };
import ja from '../locales/ja.json' with { type: 'json' };
import pt from '../locales/pt.json' with { type: 'json' };
import ru from '../locales/ru.json' with { type: 'json' };
import zh from '../locales/zh.json' with { type: 'json' };
import zhHant from '../locales/zh-Hant.json' with { type: 'json' };

/**
 * The message texts of one language, by channel: ICU MessageFormat with the arguments `brand`, `code` and `minutes`.
 * Of several wordings, the first that fits one SMS is used, so the longest comes first.
 */
export type Wordings = Readonly<Partial<Record<TextKind, string | readonly string[]>>>;

/** A text with a code for a channel, or the notice of a changed number. */
export type TextKind = Channel | typeof NUMBER_CHANGED;

/** The text that tells the number from before that the number of an account was changed. Its argument is `brand`. */
export const NUMBER_CHANGED = 'number_changed';

export const DEFAULT_LOCALE = 'en';

export const LOCALES = { ar, de, en, es, fr, hi, ja, pt, ru, zh, 'zh-Hant': zhHant } satisfies Record<
  LocaleTag,
  Required<Wordings> & { speech: string }
>;

/**
 * Returns the language that Twilio's `<Say>` speaks for a locale (https://www.twilio.com/docs/voice/twiml/say). It names those that
 * are not built in by language and region, such as `nl-NL`.
 */
export function speechOf(locale: string): string {
  if (Object.hasOwn(LOCALES, locale)) return LOCALES[locale as keyof typeof LOCALES].speech;
  if (!isLocaleTag(locale)) return LOCALES.en.speech;
  const { language, region } = new Intl.Locale(locale).maximize();
  return `${language}-${region}`;
}
