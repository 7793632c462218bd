import { isIP } from 'node:net';
import { getMetadataStorage, ValidateBy, ValidateIf } from 'class-validator';
import { isSupportedCountry } from 'libphonenumber-js';
import { parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { parseDurationMs } from './duration.js';
import { parseFallback } from './fallback.js';
import { parseRate } from './limits.js';
import { parseTestNumbers } from './test-numbers.js';

const PLACEHOLDERS = ['to', 'msisdn', 'body', 'code', 'channel', 'locale', 'reference', 'validForSeconds'];

const RULE = 'rule';

/**
 * Declares the rule of one variable. The text completes "must be …", in faults and in docs/configuration.md.
 * It never repeats the value, which may be a secret.
 */
function Rule(text: string, holds: (value: string) => boolean): PropertyDecorator {
  return (target, property) => {
    ValidateIf((_, value) => value !== undefined)(target, property);
    ValidateBy({ name: RULE, validator: { validate: (value) => holds(value) } }, { message: text })(
      target,
      property,
    );
  };
}

/** Returns the text of each variable's rule. */
export function rulesOf(environment: new () => object): Record<string, string> {
  const metadata = getMetadataStorage().getTargetValidationMetadatas(environment, '', true, false);
  const rules = metadata.filter(({ name }) => name === RULE);
  return Object.fromEntries(rules.map(({ propertyName, message }) => [propertyName, String(message)]));
}

export function OneOf(...choices: string[]) {
  return Rule(orList(choices), (value) => choices.includes(value));
}

export function Integer({ min, max }: { min: number; max: number }) {
  return Rule(
    `a whole number from ${min} to ${max}`,
    (value) => /^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max,
  );
}

interface DurationRange {
  min: string;
  max: string;
}

export function Duration({ min, max }: DurationRange) {
  return Rule(`a duration from ${min} to ${max}`, (value) => isDurationWithin(value, { min, max }));
}

export function Durations({ min, max, most }: DurationRange & { most: number }) {
  return Rule(`1 to ${most} durations from ${min} to ${max}, separated by commas`, (value) => {
    const parts = value.split(',');
    return parts.length <= most && parts.every((part) => isDurationWithin(part, { min, max }));
  });
}

/** One mode for all names, or a list of the names that are in the second mode. */
export function ModeOf(modes: readonly string[], names: readonly string[]) {
  return Rule(
    `${modes.join(', ')}, or one or more of ${names.join(', ')}, separated by commas`,
    (value) => modes.includes(value) || value.split(',').every((name) => names.includes(name)),
  );
}

/** `5/10m`: five in ten minutes. */
export function Rates() {
  return Rule('1 to 3 rates such as 5/10m, separated by commas', (value) => {
    const rates = value.split(',');
    return rates.length <= 3 && rates.every((rate) => parseRate(rate) !== null);
  });
}

export function Money() {
  return Rule('an amount such as 250 or 99.50', (value) => /^\d{1,9}(\.\d{1,6})?$/.test(value));
}

export function Networks() {
  return Rule('IP addresses or networks such as 10.0.0.0/8, separated by commas', (value) =>
    value.split(',').every(isNetwork),
  );
}

export function Countries() {
  return Rule('country codes such as US, in capital letters, separated by commas', (value) =>
    value.split(',').every((code) => isSupportedCountry(code)),
  );
}

export function Address(...protocols: string[]) {
  return Rule(
    `a URL that starts with ${orList(protocols.map((protocol) => `${protocol}//`))}`,
    (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol) && isDecodable(value),
  );
}

export function Fallback() {
  return Rule(
    'two or more different routes such as sms>sms:http>call, optionally followed by @ and a wait from 5s to 5m',
    (value) => parseFallback(value) !== null,
  );
}

export function TestNumbers() {
  return Rule(
    'one or more pairs such as +15005550006=123456 (a code has 6 to 9 digits), separated by commas, each number once',
    (value) => {
      const numbers = parseTestNumbers(value);
      return (
        numbers !== null &&
        Object.keys(numbers).every((number) => parsePhoneNumberFromString(number)?.isValid() === true)
      );
    },
  );
}

/** RFC 3339. A date alone is its first moment in UTC. */
export function DateOf() {
  return Rule('a date such as 2027-01-31, or a date and time such as 2027-01-31T12:00:00Z', (value) => {
    return (
      /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(value) && !Number.isNaN(Date.parse(value))
    );
  });
}

export function Host() {
  return Rule('a host name such as app.example.com', (value) =>
    /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(value),
  );
}

/** Placeholders are allowed in the path and the query only: a message must not choose the host (SSRF). */
export function UrlTemplate() {
  return Rule(
    'a URL that starts with https:// or http://, with placeholders only after the host',
    (value) => {
      const [origin = ''] = /^https?:\/\/[^/?#]+/.exec(value) ?? [];
      return origin !== '' && !origin.includes('{') && URL.canParse(value) && hasKnownPlaceholders(value);
    },
  );
}

export function Template() {
  return Rule(`text without placeholders other than ${PLACEHOLDERS.join(', ')}`, hasKnownPlaceholders);
}

export function HeadersObject() {
  return Rule('a JSON object of header names and values, without placeholders', isHeaders);
}

/** Also accepts an unset variable. */
export function isHeaders(value = '{"a": "b"}'): boolean {
  try {
    return [...new Headers(JSON.parse(value)).keys()].length > 0 && !value.includes('{{');
  } catch {
    return false;
  }
}

export function Pattern() {
  return Rule('a regular expression', (value) => {
    try {
      return Boolean(new RegExp(value));
    } catch {
      return false;
    }
  });
}

export function Secret({ minBytes }: { minBytes: number }) {
  return Rule(`at least ${minBytes} bytes long`, (value) => Buffer.byteLength(value) >= minBytes);
}

export function Country() {
  return Rule('a country code such as US, in capital letters', isSupportedCountry);
}

export function Matching(pattern: RegExp, text: string) {
  return Rule(text, (value) => pattern.test(value));
}

function orList(choices: readonly string[]): string {
  return new Intl.ListFormat('en', { type: 'disjunction' }).format(choices);
}

/** Accepts double braces only: Mustache does not encode the values of triple braces. */
function hasKnownPlaceholders(template: string): boolean {
  return !/\{\{/.test(
    template.replace(/(?<!\{)\{\{(\w+)\}\}/g, (all, name) => (PLACEHOLDERS.includes(name) ? '' : all)),
  );
}

function isNetwork(text: string): boolean {
  const [address = '', length, ...rest] = text.split('/');
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] as number;
  return (
    rest.length === 0 &&
    bits > 0 &&
    (length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits))
  );
}

/** A percent sign in a password must be encoded: drivers fail on it late, without naming the variable. */
function isDecodable(value: string): boolean {
  try {
    return decodeURIComponent(value) !== '';
  } catch {
    return false;
  }
}

function isDurationWithin(value: string, { min, max }: DurationRange): boolean {
  const ms = parseDurationMs(value);
  return ms !== null && ms >= (parseDurationMs(min) as number) && ms <= (parseDurationMs(max) as number);
}
