import { CHANNELS } from '#config';
import { LOCALES, NUMBER_CHANGED, type TextKind, type Wordings } from './locales.js';
import { NO_OWN_TEXTS, type OwnTexts } from './own-texts.js';
import { type Segments, segmentsOf } from './segments.js';
import {
  type AutofillLine,
  autofillLines,
  fitsOneSms,
  RETRIEVER_BYTES,
  spoken,
  type TemplateConfig,
  Templates,
} from './templates.js';

/** The text of one message with its size and its faults. */
export interface Finding extends Segments {
  readonly locale: string;
  /** Null: a text for every country. */
  readonly country: string | null;
  readonly kind: TextKind;
  /** True: a text of `MESSAGES_FILE`. */
  readonly isOwn: boolean;
  readonly codeLength: number;
  /** Empty when the template fails. */
  readonly text: string;
  /** Faults as predicates, such as `does not contain the code`. */
  readonly faults: readonly string[];
}

/** All minutes that a text can name: a code is valid for ten minutes at most. A plural may have a text for each. */
const MINUTES = Array.from({ length: 10 }, (_, i) => i + 1);

/** Characters that no phone shows, or that reverse the order of others. A line break and a tab are no fault. */
const UNSEEN = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;

/**
 * Writes every message with each sample code and checks it.
 *
 * @param own replaces built-in texts.
 * @returns one finding for each locale, channel, kind of last line and code, and for each text of `own`.
 */
export function lintMessages(
  config: TemplateConfig,
  codes: readonly string[],
  own: OwnTexts = NO_OWN_TEXTS,
  locales: Readonly<Record<string, Wordings>> = LOCALES,
): Finding[] {
  const builtIn = Object.entries(locales).flatMap(([locale, wordings]) =>
    CHANNELS.filter((channel) => own.locales[locale]?.[channel] === undefined).map((kind) => ({
      ...{ locale, kind, country: null, isOwn: false, wording: wordings[kind] },
    })),
  );
  return [
    ...builtIn.flatMap((source) => findingsOf(config, codes, source)),
    ...lintOwnTexts(config, codes, own),
  ];
}

/** Writes every text of `own` with each sample code and checks it. */
export function lintOwnTexts(config: TemplateConfig, codes: readonly string[], own: OwnTexts): Finding[] {
  const groups = [[null, own.locales] as const, ...Object.entries(own.countries)];
  const sources = groups.flatMap(([country, byLocale]) =>
    Object.entries(byLocale).flatMap(([locale, wordings]) =>
      (Object.entries(wordings) as [TextKind, Wording][]).map(([kind, wording]) => ({
        ...{ locale, kind, country, isOwn: true, wording },
      })),
    ),
  );
  return sources.flatMap((source) => findingsOf(config, codes, source));
}

type Wording = Wordings[TextKind];

/** A text in its wordings. */
interface Source {
  readonly locale: string;
  readonly country: string | null;
  readonly kind: TextKind;
  readonly isOwn: boolean;
  readonly wording: Wording;
}

interface Subject extends Source {
  readonly code: string;
  readonly line: AutofillLine;
}

function findingsOf(config: TemplateConfig, codes: readonly string[], source: Source): Finding[] {
  const { kind, country } = source;
  const lines = kind === 'sms' && country === null ? autofillLines(config.autofill) : [null];
  const samples = kind === NUMBER_CHANGED ? codes.slice(0, 1) : codes;
  return lines.flatMap((line) => samples.map((code) => findingOf(config, { ...source, code, line })));
}

function findingOf(config: TemplateConfig, subject: Subject): Finding {
  const { locale, country, kind, isOwn, code, line } = subject;
  const written = write(config, subject);
  const text =
    written.texts?.reduce((longest, each) => (each.length > longest.length ? each : longest)) ?? '';
  const misfit = kind === 'sms' || kind === NUMBER_CHANGED ? sizeFault(text, line) : false;
  const faults = [...contentFaults(config, subject), ...(misfit ? [misfit] : [])];
  return { locale, country, kind, isOwn, codeLength: code.length, text, ...segmentsOf(text), faults };
}

/** Checks each wording alone: a brand or a website of another length would bring it into use. */
function contentFaults(config: TemplateConfig, subject: Subject): string[] {
  const { wording } = subject;
  const alone = wording === undefined ? [undefined] : [wording].flat();
  const faults = alone.flatMap((each) => {
    const { texts, fault } = write(config, { ...subject, wording: each });
    return texts === undefined ? [fault] : texts.flatMap((text) => faultsOf(text, config, subject));
  });
  return [...new Set(faults)];
}

/** Returns the text for each number of minutes. */
function write(config: TemplateConfig, subject: Subject): Written {
  const { locale, country, kind, wording, code, line } = subject;
  const texts = { [locale]: { [kind]: wording } };
  try {
    // Compiles one text alone, so that its fault is not reported for the others.
    const templates =
      country === null ? new Templates(config, texts) : new Templates(config, {}, { [country]: texts });
    if (kind === NUMBER_CHANGED) return { texts: [templates.composeNumberChanged('sms', locale, country)] };
    const appHash = line && 'appHash' in line ? line.appHash : null;
    const occasion = { channel: kind, locale, country, code, appHash };
    return {
      texts: MINUTES.map((minutes) => templates.compose({ ...occasion, validForSeconds: minutes * 60 })),
    };
  } catch (error) {
    return { fault: faultOfFormat((error as Error).message, kind) };
  }
}

function faultOfFormat(message: string, kind: TextKind): string {
  const [, unknown] = /variable "([^"]*)" was not provided/.exec(message) ?? [];
  if (unknown === undefined) return `cannot be written: ${message}`;
  const known = kind === NUMBER_CHANGED ? '{brand}' : '{code}, {brand} and {minutes}';
  return `has {${unknown}}, which is none of its arguments: ${known}`;
}

type Written =
  | { readonly texts: readonly string[]; readonly fault?: undefined }
  | { readonly texts?: undefined; readonly fault: string };

/** An own text may write the name of the product in its own way. */
function faultsOf(text: string, { brand }: TemplateConfig, subject: Subject): string[] {
  const { kind, country, isOwn, code, line } = subject;
  const [body = '', ...lines] = text.split('\n');
  const all = country === null ? body : text;
  const faults: (string | false)[] = [
    kind !== NUMBER_CHANGED &&
      !all.includes(kind === 'call' ? spoken(code) : code) &&
      'does not contain the code',
    UNSEEN.test(text.replaceAll(/[\t\r\n]/g, '')) && 'has a control character',
    !isOwn && !body.includes(brand) && 'does not contain the brand',
  ];
  if (country !== null) faults.push(exactLineFault(text.split('\n'), code));
  else if (kind === 'sms' || kind === NUMBER_CHANGED) faults.push(lastLineFault(lines, line, code));
  return faults.filter((fault) => fault !== false);
}

/** A text of a country may have several lines, and an autofill line of its own. */
function exactLineFault(lines: readonly string[], code: string): string | false {
  const first = lines.findIndex((line) => line.startsWith('@'));
  if (first === -1) return false;
  const [, bound] = /^@[a-z0-9.-]+ #([^\s#]+)$/.exec(lines[first] as string) ?? [];
  return (bound !== code || first < lines.length - 1) && 'does not end with its autofill line';
}

function sizeFault(text: string, line: AutofillLine): string | false {
  if (fitsOneSms(text, line)) return false;
  const { encoding, characters, limit, segments } = segmentsOf(text);
  if (segments === 1) return `takes ${Buffer.byteLength(text)} bytes, and Android reads ${RETRIEVER_BYTES}`;
  return `takes ${segments} segments: ${characters} characters of ${encoding}, of which one holds ${limit}`;
}

/** Checks that the text has one line after the body, which names the site or app that may fill in the code. */
function lastLineFault(lines: readonly string[], expected: AutofillLine, code: string): string | false {
  if (expected === null) return lines.length > 0 && 'has more than one line';
  const [line = '', ...rest] = lines;
  const isValid = 'origin' in expected ? isBound(line, expected.origin, code) : line === expected.appHash;
  return (!isValid || rest.length > 0) && 'does not end with the autofill line';
}

/** Reads the line as browsers do (https://wicg.github.io/sms-one-time-codes/, section 3.2). */
function isBound(line: string, origin: string, code: string): boolean {
  const [, host, bound] = /^@([a-z0-9.-]+) #([^\s#]+)$/.exec(line) ?? [];
  return host === origin && bound === code;
}
