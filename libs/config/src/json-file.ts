import { readFileSync } from 'node:fs';
import { isSupportedCountry } from 'libphonenumber-js/max';

/**
 * Reads a JSON file.
 *
 * @throws Error whose message completes a sentence about a setting, and never quotes the file.
 */
export function readJsonFile(file: string): unknown {
  return parse(read(file));
}

/**
 * Returns the members of an object in a file.
 *
 * @throws Error whose message names the path and the kind of value that belongs there.
 */
export function membersOf(given: unknown, path: string, kind = 'an object'): Record<string, unknown> {
  if (typeof given === 'object' && given !== null && !Array.isArray(given))
    return given as Record<string, unknown>;
  throw new Error(`${path} must be ${kind}`);
}

/**
 * Checks a name under `countries` of a file.
 *
 * @throws Error if it is neither an ISO 3166-1 alpha-2 code nor `+` and a calling code of numbers without a country.
 */
export function requireCountry(code: string): void {
  if (isSupportedCountry(code) || /^\+[1-9]\d{0,2}$/.test(code)) return;
  const cure =
    code === 'UK' ? 'the United Kingdom is GB' : 'use a code such as US, or +870 for satellite phones';
  throw new Error(`countries.${quoted(code)} is not a country: ${cure}`);
}

/** Shortens a name from a file, which may be anything. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 20 ? `${name.slice(0, 20)}…` : name);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new Error(`the file cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`the file is not valid JSON${placeOf(error as Error, text)}`);
  }
}

/** Returns where the parser stopped, if it says so. The rest of its message may quote the file. */
function placeOf({ message }: Error, text: string): string {
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position === undefined) return '';
  const lines = text.slice(0, Number(position)).split('\n');
  return `: see line ${lines.length}, column ${(lines.at(-1) as string).length + 1}`;
}
