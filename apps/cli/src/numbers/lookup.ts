import { text } from 'node:stream/consumers';
import { NestFactory } from '@nestjs/core';
import { LookupModule } from '#app';
import { NumberLookupService } from '#auth';
import type { AppConfig } from '#config';
import { type PhoneNumber, parsePhoneNumber } from '#phone';
import { NestLog, runCommand } from '#program';
import { configOrFailure } from '../configuration.js';
import { EXIT_USAGE, Failure } from '../failure.js';
import { textOf } from './report.js';

/** @param number `-` for standard input, so that the number stays out of the shell's history. */
export async function lookUp(number: string, json: boolean): Promise<void> {
  const phoneNumber = numberOrFailure(number === '-' ? await text(process.stdin) : number, configOrFailure());
  await runCommand(async ({ config, databaseUrl, log }) => {
    const app = await NestFactory.createApplicationContext(LookupModule.forRoot(config, databaseUrl), {
      logger: new NestLog(log),
      abortOnError: false,
    });
    try {
      const report = await app.get(NumberLookupService).lookUp(phoneNumber);
      process.stdout.write(`${json ? JSON.stringify(report, null, 2) : textOf(report)}\n`);
    } finally {
      await app.close();
    }
  });
}

/** The message does not repeat the number: standard error is often kept. */
function numberOrFailure(text: string, { defaultRegion, newNumberRanges }: AppConfig): PhoneNumber {
  const number = parsePhoneNumber(text, { region: defaultRegion ?? undefined, newRanges: newNumberRanges });
  if (number) return number;
  const form = defaultRegion
    ? `a phone number of ${defaultRegion}, or an international one`
    : 'a phone number';
  throw new Failure(`expected ${form}, such as +14155550100; see --help`, EXIT_USAGE);
}
