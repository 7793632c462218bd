import type { INestApplicationContext } from '@nestjs/common';
import { type ImportedAccount, ImportsRepository } from '#auth';
import type { PhoneNumber, ReadingOptions } from '#phone';
import { runWithServices } from '../application.js';
import { configOrFailure } from '../configuration.js';
import { EXIT_DATA, EXIT_USAGE, Failure } from '../failure.js';
import { argumentOrInput } from '../phone-number.js';
import { withProgress } from '../progress.js';
import { openCsvSource } from './csv-source.js';
import { openFirebaseSource } from './firebase-source.js';
import { withGoSource } from './go-source.postgres.js';
import { ImportReport } from './import-report.js';
import { NumberSet } from './number-set.js';
import type { Source } from './source.js';
import { lacksRegion, masked, readRecord, type SourceRecord } from './source-record.js';
import { openSupabaseSource } from './supabase-source.js';

/** Accounts and tokens: few enough for one statement within `DATABASE_TIMEOUT`. */
const BATCH = 500;

const FORMATS = { csv: openCsvSource, firebase: openFirebaseSource, supabase: openSupabaseSource };
export type Format = keyof typeof FORMATS;

const TIME_RULE = 'created_at must be a date, or a date and time (RFC 3339), and not in the future';
const NO_REGION =
  'numbers without a country code are only read with DEFAULT_REGION, such as DEFAULT_REGION=US';

/** An account that can be taken over, and its place in the source. */
interface Entry {
  readonly place: string;
  readonly account: ImportedAccount;
}

export async function importFile(format: Format, file: string): Promise<void> {
  const options = readingOptions();
  const source = await FORMATS[format](file);
  await runWithServices((app) => importAll(app, source, options).catch(sayRepeatable));
}

export async function importGo(argument: string): Promise<void> {
  const url = postgresUrlOrFailure(await argumentOrInput(argument));
  const options = readingOptions();
  await runWithServices((app) =>
    withGoSource(url, (source) => importAll(app, source, options)).catch(sayRepeatable),
  );
}

function sayRepeatable(error: Error): never {
  if (error instanceof Failure) throw error;
  throw new Error(`the import did not finish, and can be repeated: ${error.message}`, { cause: error });
}

function readingOptions(): ReadingOptions {
  const { defaultRegion, newNumberRanges } = configOrFailure();
  return { region: defaultRegion ?? undefined, newRanges: newNumberRanges };
}

/** Returns the report, and sets the exit code. */
async function importAll(
  app: INestApplicationContext,
  source: Source,
  options: ReadingOptions,
): Promise<string> {
  const imports = app.get(ImportsRepository);
  if (source.lastId !== undefined) await imports.reserveLegacyIds(source.lastId);
  const report = new ImportReport();
  if (source.warning !== undefined) report.warn(source.warning);
  await withProgress(async (onProgress) => {
    for await (const batch of batchesOf(source, options, report)) {
      const created = await imports.create(batch.map(({ account }) => account));
      report.addBatch(batch.length, created);
      if (source.lastId !== undefined) reportOtherIds(batch, created.legacyIds, report);
      onProgress?.(source.done(), source.total);
    }
  });
  if (report.hasFaults) process.exitCode = EXIT_DATA;
  return report.toString();
}

function reportOtherIds(
  batch: readonly Entry[],
  legacyIds: ReadonlyMap<PhoneNumber, number>,
  report: ImportReport,
): void {
  for (const { place, account } of batch) {
    const id = legacyIds.get(account.phoneNumber);
    if (id !== undefined && id !== account.legacyId) report.giveOtherId(place, id);
  }
}

/** Reads the accounts of a source with different numbers. The first of several with one number is taken. */
async function* batchesOf(
  source: Source,
  options: ReadingOptions,
  report: ImportReport,
): AsyncGenerator<Entry[]> {
  const numbers = new NumberSet();
  let batch: Entry[] = [];
  let rows = 0;
  for await (const record of source.records) {
    if (record.phoneNumber === null && record.fault === undefined) {
      report.addUserWithoutNumber();
      continue;
    }
    const place = placeOf(record, source, options);
    const reading = readRecord(record, options);
    if ('fault' in reading) {
      report.refuse(place, reading.fault);
      if (lacksRegion(record, options)) report.warn(NO_REGION);
    } else if (!numbers.add(reading.account.phoneNumber))
      report.refuse(place, 'the phone number is the one of an earlier user');
    else {
      if (reading.nameFault !== null) report.leaveNameOut(place, reading.nameFault);
      if (reading.isTimeBad) report.leaveTimeOut(place, source.timeRule ?? TIME_RULE);
      batch.push({ place, account: reading.account });
      rows += 1 + reading.account.tokens.length;
    }
    if (rows < BATCH) continue;
    yield batch;
    batch = [];
    rows = 0;
  }
  if (batch.length > 0) yield batch;
}

function placeOf({ place, phoneNumber }: SourceRecord, source: Source, options: ReadingOptions): string {
  return source.namesNumbers && phoneNumber ? `${place} (${masked(phoneNumber, options)})` : place;
}

/** @throws Failure that does not repeat the URL. */
function postgresUrlOrFailure(text: string): string {
  if (/^postgres(ql)?:\/\/\S+$/.test(text) && URL.canParse(text)) return text;
  throw new Failure('--database-url must be a postgres:// URL; see --help', EXIT_USAGE);
}
