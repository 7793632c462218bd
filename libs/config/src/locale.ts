/** The languages that messages are written in (BCP 47). `zh` is Simplified Chinese. */
export const LOCALE_TAGS = ['ar', 'de', 'en', 'es', 'fr', 'hi', 'ja', 'pt', 'ru', 'zh', 'zh-Hant'] as const;
export type LocaleTag = (typeof LOCALE_TAGS)[number];

export function isLocale(text: string): text is LocaleTag {
  return LOCALE_TAGS.some((tag) => tag === text);
}

/** Returns true for a language with an optional script and region, in the form of BCP 47: `nl`, `pt-PT`, `sr-Latn`. */
export function isLocaleTag(text: string): boolean {
  return /^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$/.test(text);
}
