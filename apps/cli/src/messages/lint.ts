import type { AppConfig } from '#config';
import { lintMessages, readMessages } from '#messaging';
import { CODE_LENGTHS, sampleCode } from '#otp';
import { configOrFailure } from '../configuration.js';
import { counted } from '../counted.js';
import { EXIT_CONFIGURATION, Failure } from '../failure.js';
import { reportOf } from './report.js';

const EXIT_FAULTS = 1;

/** Prints the report and returns the exit code. */
export function lint(): number {
  const config = configOrFailure();
  const codes = Object.values(CODE_LENGTHS).map(sampleCode);
  const findings = lintMessages(config, codes, textsOrFailure(config));
  const faults = findings.flatMap((finding) => finding.faults);
  const total = `${counted(faults.length, 'fault')} in ${counted(findings.length, 'message')}`;
  process.stdout.write(`${reportOf(findings)}\n\n${total}\n`);
  return faults.length > 0 ? EXIT_FAULTS : 0;
}

function textsOrFailure({ messagesFile }: AppConfig) {
  try {
    return readMessages(messagesFile);
  } catch (error) {
    throw new Failure(`MESSAGES_FILE: ${(error as Error).message}`, EXIT_CONFIGURATION);
  }
}
