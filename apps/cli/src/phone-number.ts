import { text } from 'node:stream/consumers';
import { type PhoneNumber, parsePhoneNumber } from '#phone';
import { configOrFailure } from './configuration.js';
import { EXIT_USAGE, Failure } from './failure.js';

/** Reads `-` from standard input, so that a phone number stays out of the shell's history. */
export async function argumentOrInput(argument: string): Promise<string> {
  return argument === '-' ? (await text(process.stdin)).trim() : argument;
}

/**
 * The message does not repeat the number: standard error is often kept.
 *
 * @param alternative what the argument may be as well, before the form of a number.
 */
export function numberOrFailure(given: string, alternative = ''): PhoneNumber {
  const { defaultRegion, newNumberRanges } = configOrFailure();
  const number = parsePhoneNumber(given, { region: defaultRegion ?? undefined, newRanges: newNumberRanges });
  if (number) return number;
  const form = defaultRegion
    ? `a phone number of ${defaultRegion}, or an international one`
    : 'a phone number';
  throw new Failure(`expected ${alternative}${form}, such as +14155550100; see --help`, EXIT_USAGE);
}
