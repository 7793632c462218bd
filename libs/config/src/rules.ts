import { isIP } from 'node:net';
import { getMetadataStorage, ValidateBy, ValidateIf, type ValidationArguments } from 'class-validator';
import { isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { isAddress } from './address.js';
import { parseDurationMs } from './duration.js';
import { parseFallback } from './fallback.js';
import { addressHint, countryHint, durationHint, generalHint, type Hint, originHint } from './hints.js';
import { parseRate } from './limits.js';
import { parseList } from './list.js';
import { isLocaleTag, LOCALE_TAGS } from './locale.js';
import { isOriginPattern } from './origin.js';
import { parseTestNumbers } from './test-numbers.js';
import { isWebhookSecret } from './webhook-secret.js';

const PLACEHOLDERS = ['to', 'msisdn', 'body', 'code', 'channel', 'locale', 'reference', 'validForSeconds'];

/** The calling codes of satellite and international networks, which belong to no country. */
const NETWORKS_WITHOUT_COUNTRY = ['+800', '+808', '+870', '+878', '+881', '+882', '+883', '+888'];

const RULE = 'rule';

/**
 * Declares the rule of one variable. The text completes "must be …", in faults and in docs/configuration.md.
 * A fault adds the hint, if there is one. Neither repeats the value, which may be a secret.
 */
function Rule(text: string, holds: (value: string) => boolean, hint?: Hint): PropertyDecorator {
  const message = ({ value }: ValidationArguments) => {
    const cure = hint?.(value) ?? generalHint(value, holds);
    return cure === null ? text : `${text} (${cure})`;
  };
  return (target, property) => {
    ValidateIf((_, value) => value !== undefined)(target, property);
    const validator = { validate: (value: string) => holds(value) };
    ValidateBy({ name: RULE, validator }, { message, context: text })(target, property);
  };
}

/** Returns the text of each variable's rule. */
export function rulesOf(environment: new () => object): Record<string, string> {
  const metadata = getMetadataStorage().getTargetValidationMetadatas(environment, '', true, false);
  const rules = metadata.filter(({ name }) => name === RULE);
  return Object.fromEntries(rules.map(({ propertyName, context }) => [propertyName, String(context)]));
}

export function OneOf(...choices: string[]) {
  return Rule(orList(choices), (value) => choices.includes(value));
}

/** One or more of the choices, separated by commas. */
export function SomeOf(...choices: string[]) {
  return Rule(`one or more of ${choices.join(', ')}, separated by commas`, (value) =>
    parseList(value).every((item) => choices.includes(item)),
  );
}

interface IntegerRange {
  readonly min: number;
  readonly max: number;
}

export function Integer(range: IntegerRange) {
  return Rule(`a whole number from ${range.min} to ${range.max}`, (value) => isIntegerWithin(value, range));
}

export function IntegerOr(word: string, range: IntegerRange) {
  return Rule(
    `a whole number from ${range.min} to ${range.max}, or ${word}`,
    (value) => value === word || isIntegerWithin(value, range),
  );
}

interface DurationRange {
  readonly min: string;
  readonly max: string;
}

export function Duration({ min, max, example = min }: DurationRange & { example?: string }) {
  const holds = (value: string) => isDurationWithin(value, { min, max });
  return Rule(`a duration from ${min} to ${max}, such as ${example}`, holds, durationHint);
}

export function Durations({ min, max, most }: DurationRange & { most: number }) {
  const holds = (value: string) => {
    const parts = parseList(value);
    return parts.length <= most && parts.every((part) => isDurationWithin(part, { min, max }));
  };
  return Rule(`1 to ${most} durations from ${min} to ${max}, separated by commas`, holds, durationHint);
}

/** One mode for all names, or a list of the names that are in the second mode. */
export function ModeOf(modes: readonly string[], names: readonly string[]) {
  return Rule(
    `${modes.join(', ')}, or one or more of ${names.join(', ')}, separated by commas`,
    (value) => modes.includes(value) || parseList(value).every((name) => names.includes(name)),
  );
}

/** `5/10m`: five in ten minutes. */
export function Rates() {
  return Rule('1 to 3 rates such as 5/10m, separated by commas', (value) => {
    const rates = parseList(value);
    return rates.length <= 3 && rates.every((rate) => parseRate(rate) !== null);
  });
}

export function Money() {
  return Rule('an amount such as 250 or 99.50', (value) => /^\d{1,9}(\.\d{1,6})?$/.test(value));
}

/** A share is a percentage of another amount. */
export function MoneyOrShare() {
  return Rule('an amount such as 250, or a share such as 50%', (value) =>
    /^(\d{1,9}(\.\d{1,6})?|(100|\d{1,2}(\.\d{1,2})?)%)$/.test(value),
  );
}

export function Networks() {
  return Rule('IP addresses or networks such as 10.0.0.0/8, separated by commas', (value) =>
    parseList(value).every(isNetwork),
  );
}

export function Countries() {
  const isKnown = (code: string) => isSupportedCountry(code) || NETWORKS_WITHOUT_COUNTRY.includes(code);
  return Rule(
    `country codes such as US, in capital letters, or ${orList(NETWORKS_WITHOUT_COUNTRY)}, separated by commas`,
    (value) => parseList(value).every(isKnown),
    countryHint,
  );
}

export function NumberPrefixes() {
  return Rule('prefixes of 3 to 14 digits such as +8619, with a country code, separated by commas', (value) =>
    parseList(value).every((prefix) => /^\+[1-9]\d{2,13}$/.test(prefix)),
  );
}

/** Accepts every language tag: a file may add languages. */
export function Locale() {
  return Rule(`one of ${LOCALE_TAGS.join(', ')}, or a language of MESSAGES_FILE`, isLocaleTag);
}

export function Locales() {
  return Rule(
    `one or more of ${LOCALE_TAGS.join(', ')} and the languages of MESSAGES_FILE, separated by commas, each once`,
    (value) => {
      const tags = parseList(value);
      return tags.every(isLocaleTag) && new Set(tags).size === tags.length;
    },
  );
}

export function Origins() {
  return Rule(
    'origins such as https://app.example.com or https://*.example.com, separated by commas',
    (value) => parseList(value).every(isOriginPattern),
    originHint,
  );
}

export function Address(...protocols: string[]) {
  return Rule(
    `a URL that starts with ${orList(protocols.map((protocol) => `${protocol}//`))}`,
    (value) => isAddress(value, protocols),
    addressHint,
  );
}

/** Names that need no thought about quoting, and that Postgres does not keep for itself. */
export function SchemaName() {
  return Rule(
    'the name of a schema: at most 63 letters, digits and underscores, not beginning with a digit or pg_',
    (value) => /^(?!pg_|information_schema$)[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(value),
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
    'one or more pairs of a phone number and a code of 6 to 9 digits, such as +15005550006=407918263, separated by commas, each number once',
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

/** Standard Webhooks 1.0. One or two, because both are valid during a rotation. */
export function WebhookSecrets() {
  return Rule(
    'one or two secrets of whsec_ and the Base64 of at least 24 bytes, separated by a comma',
    (value) => {
      const secrets = parseList(value);
      return (
        secrets.length <= 2 && new Set(secrets).size === secrets.length && secrets.every(isWebhookSecret)
      );
    },
  );
}

export function Country() {
  return Rule('a country code such as US, in capital letters', isSupportedCountry, countryHint);
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

function isIntegerWithin(value: string, { min, max }: IntegerRange): boolean {
  return /^\d{1,9}$/.test(value) && Number(value) >= min && Number(value) <= max;
}

function isDurationWithin(value: string, { min, max }: DurationRange): boolean {
  const ms = parseDurationMs(value);
  return ms !== null && ms >= (parseDurationMs(min) as number) && ms <= (parseDurationMs(max) as number);
}
