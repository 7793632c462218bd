/** The languages that messages are written in (BCP 47). `zh` is Simplified Chinese. */
export const LOCALE_TAGS = ['ar', 'de', 'en', 'es', 'fr', 'hi', 'ja', 'pt', 'ru', 'zh', 'zh-Hant'] as const;
export type LocaleTag = (typeof LOCALE_TAGS)[number];

export function isLocale(text: string): text is LocaleTag {
  return LOCALE_TAGS.some((tag) => tag === text);
}
