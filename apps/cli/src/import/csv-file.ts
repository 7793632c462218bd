import { createReadStream, statSync } from 'node:fs';
import { parse } from 'csv-parse';
import { counted } from '../counted.js';
import { EXIT_DATA, Failure } from '../failure.js';
import { readableFile } from './readable-file.js';
import type { Source } from './source.js';
import type { SourceRecord } from './source-record.js';

/** Longer than a line that describes a user. A quotation mark that is not closed joins all lines after it. */
const LONGEST_LINE = 1_048_576;

/** The parser puts it in the place of bytes that are not UTF-8. */
const NOT_UTF_8 = '\ufffd';

/** The values of a line by the name of their column. A missing column has no value. */
export type Row = Readonly<Record<string, string | undefined>>;

/** A CSV file with the names of its columns, in lower case. */
export interface CsvSource extends Source {
  readonly columns: readonly string[];
}

interface ParsedLine {
  readonly record: string[];
  readonly info: { readonly lines: number };
}

/** Lines that cannot be read as values. */
class Unreadable {
  private readonly lines: number[] = [];

  add(line: number): void {
    this.lines.push(line);
  }

  /** Returns the lines that were added since the last call. */
  take(): SourceRecord[] {
    return this.lines.splice(0).map((line) => ({
      place: `line ${line}`,
      phoneNumber: null,
      fault: 'a quotation mark is not closed',
    }));
  }
}

/**
 * Opens a CSV file (RFC 4180) whose first line names the columns.
 *
 * @param requireColumns throws a Failure if the file lacks a column.
 * @param read converts a line.
 */
export async function openCsv(
  file: string,
  requireColumns: (columns: readonly string[]) => void,
  read: (row: Row) => Omit<SourceRecord, 'place'>,
): Promise<CsvSource> {
  readableFile(file);
  const input = createReadStream(file);
  const unreadable = new Unreadable();
  const lines = linesOf(input, unreadable);
  const header = await lines.next();
  if (header.done) throw new Failure(reasonForNoHeader(unreadable), EXIT_DATA);
  const columns = header.value.record.map((name) => name.trim().toLowerCase());
  const repeated = columns.find((name, i) => name !== '' && columns.indexOf(name) !== i);
  if (repeated !== undefined)
    throw new Failure(`the first line names the column ${repeated} twice`, EXIT_DATA);
  requireColumns(columns);
  return {
    columns,
    total: statSync(file).size,
    done: () => input.bytesRead,
    records: recordsOf(lines, unreadable, columns, read),
  };
}

function reasonForNoHeader(unreadable: Unreadable): string {
  const [first] = unreadable.take();
  return first ? `${first.place}: ${first.fault}` : 'the file is empty';
}

async function* recordsOf(
  lines: AsyncGenerator<ParsedLine>,
  unreadable: Unreadable,
  columns: readonly string[],
  read: (row: Row) => Omit<SourceRecord, 'place'>,
): AsyncGenerator<SourceRecord> {
  let countedTwice = 0;
  for await (const { record, info } of lines) {
    const text = record.join('');
    const breaks = text.split('\n').length - 1;
    // The parser counts CRLF within quotation marks as two lines.
    countedTwice += text.split('\r\n').length - 1;
    const last = info.lines - countedTwice;
    const place = breaks === 0 ? `line ${last}` : `lines ${last - breaks} to ${last}`;
    yield { place, ...readLine(record, breaks, columns, read) };
    yield* unreadable.take();
  }
  yield* unreadable.take();
}

function readLine(
  values: readonly string[],
  breaks: number,
  columns: readonly string[],
  read: (row: Row) => Omit<SourceRecord, 'place'>,
): Omit<SourceRecord, 'place'> {
  const refused = (fault: string) => ({ phoneNumber: null, fault });
  if (breaks > 0) return refused('a value has a line break: a quotation mark may not be closed');
  if (values.length !== columns.length)
    return refused(
      `has ${counted(values.length, 'value')}, and the first line names ${counted(columns.length, 'column')}`,
    );
  if (values.some((value) => value.includes(NOT_UTF_8))) return refused('has characters that are not UTF-8');
  return read(Object.fromEntries(columns.map((name, i) => [name, values[i]])));
}

/** @throws Failure */
async function* linesOf(
  input: NodeJS.ReadableStream,
  unreadable: Unreadable,
): AsyncGenerator<ParsedLine, void> {
  const parser = parse({
    ...{ bom: true, info: true, skip_empty_lines: true, relax_column_count: true },
    // A quotation mark within a value does not join it with the lines after it.
    relax_quotes: true,
    max_record_size: LONGEST_LINE,
    skip_records_with_error: true,
    on_skip: (error) => {
      // The parser would skip more than this line.
      if (error?.code === 'CSV_MAX_RECORD_SIZE') throw error;
      unreadable.add(error?.lines as number);
    },
  });
  input.on('error', (error) => parser.destroy(error)).pipe(parser);
  try {
    yield* parser as unknown as AsyncIterable<ParsedLine>;
  } catch (error) {
    const { code, lines } = error as { code?: string; lines?: number };
    if (code !== 'CSV_MAX_RECORD_SIZE') throw error;
    throw new Failure(`line ${lines}: is longer than 1 MiB; a quotation mark may not be closed`, EXIT_DATA);
  }
}
