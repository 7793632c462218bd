import { CHANNELS, type Channel } from '#config';
import { LOCALES, type Wordings } from './locales.js';
import { type Segments, segmentsOf } from './segments.js';
import { fitsOneSms, RETRIEVER_BYTES, spoken, type TemplateConfig, Templates } from './templates.js';

/** What there is to know of one message before anybody gets it. */
export interface Finding extends Segments {
  readonly locale: string;
  readonly channel: Channel;
  readonly codeLength: number;
  /** Empty when it cannot be written. */
  readonly text: string;
  /** What is wrong with it, in sentences without a subject. */
  readonly faults: readonly string[];
}

/** The shortest code, a longer one of digits, and the one that has letters too. */
const CODE_LENGTHS = [6, 8, 10];

/** One, two, few and many, as languages have it; codes are good for ten at most. */
const MINUTES = [1, 2, 5, 10];

/** Writes every message with sample codes and looks at it: one finding for each locale, channel and code length. */
export function lintMessages(
  config: TemplateConfig,
  codeLengths: readonly number[] = CODE_LENGTHS,
  locales: Readonly<Record<string, Wordings>> = LOCALES,
): Finding[] {
  return Object.entries(locales).flatMap(([locale, wordings]) =>
    CHANNELS.flatMap((channel) =>
      codeLengths.map((length) => findingOf(config, { locale, channel, wordings, code: sampleCode(length) })),
    ),
  );
}

interface Subject {
  readonly locale: string;
  readonly channel: Channel;
  readonly wordings: Wordings;
  readonly code: string;
}

function findingOf(config: TemplateConfig, subject: Subject): Finding {
  const { locale, channel, code } = subject;
  const written = write(config, subject);
  const text = written.text ?? '';
  const faults = written.text === undefined ? [written.fault] : faultsOf(text, config, subject);
  return { locale, channel, codeLength: code.length, text, ...segmentsOf(text), faults };
}

/** The longest that the minutes make of it. */
function write(
  config: TemplateConfig,
  { locale, channel, wordings, code }: Subject,
): { text: string } | { text?: undefined; fault: string } {
  try {
    // This channel's by themselves, or what is wrong with one would be blamed on all.
    const templates = new Templates(config, { [locale]: { [channel]: wordings[channel] } });
    const texts = MINUTES.map((minutes) =>
      templates.compose({ channel, locale, code, validForSeconds: minutes * 60 }),
    );
    return { text: texts.reduce((longest, text) => (text.length > longest.length ? text : longest)) };
  } catch (error) {
    return { fault: `cannot be written: ${(error as Error).message}` };
  }
}

function faultsOf(text: string, { brand, autofill }: TemplateConfig, { channel, code }: Subject): string[] {
  const [body = '', ...lines] = text.split('\n');
  const faults: (string | false)[] = [
    !body.includes(channel === 'call' ? spoken(code) : code) && 'does not contain the code',
    !body.includes(brand) && 'does not say who writes',
  ];
  if (channel === 'sms') faults.push(sizeFault(text, autofill), lastLineFault(lines, autofill, code));
  return faults.filter((fault) => fault !== false);
}

function sizeFault(text: string, autofill: TemplateConfig['autofill']): string | false {
  if (fitsOneSms(text, autofill)) return false;
  const { encoding, characters, limit, segments } = segmentsOf(text);
  if (segments === 1) return `takes ${Buffer.byteLength(text)} bytes, and Android reads ${RETRIEVER_BYTES}`;
  return `takes ${segments} segments: ${characters} characters of ${encoding}, of which one holds ${limit}`;
}

/** The line is the last and only other one, and names what may fill the code in. */
function lastLineFault(
  lines: readonly string[],
  autofill: TemplateConfig['autofill'],
  code: string,
): string | false {
  if (autofill === null) return lines.length > 0 && 'has more than one line';
  const [line = '', ...rest] = lines;
  const isValid = 'origin' in autofill ? isBound(line, autofill.origin, code) : line === autofill.appHash;
  return (!isValid || rest.length > 0) && 'does not end in the line for who fills in the code';
}

/** As browsers read it (https://wicg.github.io/sms-one-time-codes/, section 3.2). */
function isBound(line: string, origin: string, code: string): boolean {
  const [, host, bound] = /^@([a-z0-9.-]+) #([^\s#]+)$/.exec(line) ?? [];
  return host === origin && bound === code;
}

/** Letters and digits from ten characters on, as real codes. */
export function sampleCode(length: number): string {
  return (length < 10 ? '739145268' : '7QK2M9X4TB').slice(0, length);
}
