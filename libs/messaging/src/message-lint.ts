import { CHANNELS, type Channel } from '#config';
import { LOCALES, type Wordings } from './locales.js';
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
  readonly channel: Channel;
  readonly codeLength: number;
  /** Empty when the template fails. */
  readonly text: string;
  /** Faults as predicates, such as `does not contain the code`. */
  readonly faults: readonly string[];
}

/** Examples of the plural forms one, two, few and many. A code is valid for ten minutes at most. */
const MINUTES = [1, 2, 5, 10];

/**
 * Writes every message with each sample code and checks it.
 *
 * @returns one finding for each locale, channel, kind of last line and code.
 */
export function lintMessages(
  config: TemplateConfig,
  codes: readonly string[],
  locales: Readonly<Record<string, Wordings>> = LOCALES,
): Finding[] {
  return Object.entries(locales).flatMap(([locale, wordings]) =>
    CHANNELS.flatMap((channel) =>
      (channel === 'sms' ? autofillLines(config.autofill) : [null]).flatMap((line) =>
        codes.map((code) => findingOf(config, { locale, channel, wordings, code, line })),
      ),
    ),
  );
}

interface Subject {
  readonly locale: string;
  readonly channel: Channel;
  readonly wordings: Wordings;
  readonly code: string;
  readonly line: AutofillLine;
}

function findingOf(config: TemplateConfig, subject: Subject): Finding {
  const { locale, channel, code } = subject;
  const written = write(config, subject);
  const text = written.text ?? '';
  const faults = written.text === undefined ? [written.fault] : faultsOf(text, config, subject);
  return { locale, channel, codeLength: code.length, text, ...segmentsOf(text), faults };
}

/** Returns the longest text among the plural forms. */
function write(
  config: TemplateConfig,
  { locale, channel, wordings, code, line }: Subject,
): { text: string } | { text?: undefined; fault: string } {
  try {
    // Compiles one channel alone, so that its fault is not reported for the others.
    const templates = new Templates(config, { [locale]: { [channel]: wordings[channel] } });
    const appHash = line && 'appHash' in line ? line.appHash : null;
    const texts = MINUTES.map((minutes) =>
      templates.compose({ channel, locale, code, validForSeconds: minutes * 60, appHash }),
    );
    return { text: texts.reduce((longest, text) => (text.length > longest.length ? text : longest)) };
  } catch (error) {
    return { fault: `cannot be written: ${(error as Error).message}` };
  }
}

function faultsOf(text: string, { brand }: TemplateConfig, { channel, code, line }: Subject): string[] {
  const [body = '', ...lines] = text.split('\n');
  const faults: (string | false)[] = [
    !body.includes(channel === 'call' ? spoken(code) : code) && 'does not contain the code',
    !body.includes(brand) && 'does not contain the brand',
  ];
  if (channel === 'sms') faults.push(sizeFault(text, line), lastLineFault(lines, line, code));
  return faults.filter((fault) => fault !== false);
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
