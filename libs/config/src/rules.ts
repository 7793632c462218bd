import { ValidateBy, ValidateIf } from 'class-validator';
import { isSupportedCountry } from 'libphonenumber-js';
import { parseDurationMs } from './duration.js';

/**
 * One rule of one variable. The text says what is right and never repeats what was given: it may be a secret.
 */
function Rule(text: string, holds: (value: string) => boolean): PropertyDecorator {
  return (target, property) => {
    ValidateIf((_, value) => value !== undefined)(target, property);
    ValidateBy({
      name: 'rule',
      validator: { validate: (value) => holds(value), defaultMessage: () => text },
    })(target, property);
  };
}

export function OneOf(...choices: string[]) {
  return Rule(`one of ${choices.join(', ')}`, (value) => choices.includes(value));
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
  return Rule(`one to ${most} durations from ${min} to ${max}, separated by commas`, (value) => {
    const parts = value.split(',');
    return parts.length <= most && parts.every((part) => isDurationWithin(part, { min, max }));
  });
}

export function Address(...protocols: string[]) {
  return Rule(`an address that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`, (value) => {
    return URL.canParse(value) && protocols.includes(new URL(value).protocol) && isDecodable(value);
  });
}

export function Secret({ minBytes }: { minBytes: number }) {
  return Rule(`at least ${minBytes} bytes`, (value) => Buffer.byteLength(value) >= minBytes);
}

export function Country() {
  return Rule('a country code such as US, in capital letters', isSupportedCountry);
}

export function Matching(pattern: RegExp, text: string) {
  return Rule(text, (value) => pattern.test(value));
}

/** A percent sign in a password must itself be encoded; drivers fail on it late and without a name. */
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
