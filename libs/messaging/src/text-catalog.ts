import { IntlMessageFormat } from 'intl-messageformat';
import { DEFAULT_LOCALE, type TextKind, type Wordings } from './locales.js';

type ByLocale = Readonly<Record<string, Wordings>>;

/** A text that was chosen for a message. */
export interface CatalogText {
  /** Unique among the texts. */
  readonly key: string;
  readonly locale: string;
  /** True: the text is sent without an autofill line. */
  readonly isExact: boolean;
  /** The longest comes first. */
  readonly wordings: readonly IntlMessageFormat[];
}

/** The texts of messages by kind, locale and country. */
export class TextCatalog {
  private readonly texts = new Map<string, CatalogText>();
  /** The locales of the exact texts, by country and kind. */
  private readonly localesOfCountry = new Map<string, string[]>();

  /**
   * @param countries exact texts for the numbers of a country.
   * @throws SyntaxError when a text is not ICU MessageFormat.
   */
  constructor(locales: ByLocale, countries: Readonly<Record<string, ByLocale>>) {
    this.add(locales, null);
    for (const [country, texts] of Object.entries(countries)) this.add(texts, country);
  }

  /**
   * Returns the text for a country, in the locale if there is one. Without texts for the country it returns the text of the
   * locale. English replaces a locale that has no text.
   *
   * @throws Error when there is none.
   */
  find(kind: TextKind, locale: string, country: string | null): CatalogText {
    const own = this.localesOfCountry.get(keyOf(country, '', kind));
    const choices = own ? [locale, DEFAULT_LOCALE, ...own] : [locale, DEFAULT_LOCALE];
    for (const choice of choices) {
      const found = this.texts.get(keyOf(own ? country : null, choice, kind));
      if (found) return found;
    }
    throw new Error('there is no text for this channel');
  }

  private add(texts: ByLocale, country: string | null): void {
    for (const [locale, wordings] of Object.entries(texts))
      for (const [kind, wording] of Object.entries(wordings) as [TextKind, Wordings[TextKind]][]) {
        if (wording === undefined) continue;
        const key = keyOf(country, locale, kind);
        const compiled = [wording].flat().map((text) => compile(text, locale));
        this.texts.set(key, { key, locale, isExact: country !== null, wordings: compiled });
        if (country === null) continue;
        const ofCountry = keyOf(country, '', kind);
        this.localesOfCountry.set(ofCountry, [...(this.localesOfCountry.get(ofCountry) ?? []), locale]);
      }
  }
}

/** @throws SyntaxError when the text is not ICU MessageFormat. */
export function compile(text: string, locale: string): IntlMessageFormat {
  // `<user>` is text, and not the start of markup.
  return new IntlMessageFormat(text, locale, undefined, { ignoreTag: true });
}

function keyOf(country: string | null, locale: string, kind: TextKind): string {
  return `${country ?? ''} ${locale} ${kind}`;
}
