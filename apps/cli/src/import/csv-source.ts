import { EXIT_DATA, Failure } from '../failure.js';
import { openCsv, type Row } from './csv-file.js';
import type { Source } from './source.js';

const NUMBER_COLUMNS = ['phone', 'phone_number'];

/** Opens a CSV file with the columns `phone` or `phone_number`, and optionally `name` and `created_at`. */
export function openCsvSource(file: string): Promise<Source> {
  return openCsv(file, requireNumber, ({ phone, phone_number, name, created_at }: Row) => ({
    phoneNumber: phone ?? phone_number ?? '',
    name,
    createdAt: created_at,
  }));
}

function requireNumber(columns: readonly string[]): void {
  if (NUMBER_COLUMNS.filter((name) => columns.includes(name)).length === 1) return;
  throw new Failure(
    'the first line must name a column phone, or phone_number, and not both; columns are separated by commas',
    EXIT_DATA,
  );
}
