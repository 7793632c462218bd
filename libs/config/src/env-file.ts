import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { ConfigurationError } from './configuration-error.js';

const FILE = '.env';

/** A name and its value. A value in quotation marks may have several lines. */
const ASSIGNMENT =
  /[ \t]*(?:export[ \t]+)?[A-Za-z_][\w.-]*[ \t]*=[ \t]*(?:"[^"]*"|'[^']*'|`[^`]*`)?[^\n]*(?:\n|$)/y;
const EMPTY_OR_COMMENT = /[ \t\r]*(?:#[^\n]*)?(?:\n|$)/y;

/**
 * Adds the variables of the file `.env` in the working directory to those of the process, which take precedence. Does nothing
 * without the file.
 *
 * @throws ConfigurationError that names the line, and never quotes it: it may hold a secret.
 */
export function loadEnvFile(): void {
  const text = read();
  if (text === null) return;
  const line = firstFaultyLine(text);
  if (line !== null) throw faultOf(`line ${line} must be NAME=value, or a comment that starts with #`);
  process.loadEnvFile(FILE);
}

/** Node's own function reports every file that it cannot read as missing. */
function read(): string | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(FILE);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw faultOf(`the file cannot be read: ${code}`);
  }
  if (!isUtf8(bytes) || bytes.includes(0)) throw faultOf('must be text in UTF-8');
  return bytes.toString();
}

/** Returns the number of the first line that Node's own function would skip; null if there is none. */
function firstFaultyLine(text: string): number | null {
  let at = 0;
  while (at < text.length) {
    const next = [EMPTY_OR_COMMENT, ASSIGNMENT].map((form) => endOf(form, text, at)).find((end) => end > at);
    if (next === undefined) return text.slice(0, at).split('\n').length;
    at = next;
  }
  return null;
}

/** Returns the end of what the form matches here, or `at` if it does not match. */
function endOf(form: RegExp, text: string, at: number): number {
  form.lastIndex = at;
  return form.test(text) ? form.lastIndex : at;
}

function faultOf(rule: string): ConfigurationError {
  return new ConfigurationError([{ name: FILE, rule }]);
}
