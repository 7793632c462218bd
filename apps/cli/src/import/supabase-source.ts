import { EXIT_DATA, Failure } from '../failure.js';
import { openCsv, type Row } from './csv-file.js';
import type { Source } from './source.js';
import type { SourceRecord } from './source-record.js';
import { instantOf } from './time.js';

const CONFIRMED_COLUMN = 'phone_confirmed_at';
const UNCHECKED = `the file has no column ${CONFIRMED_COLUMN}, so users whose number is not confirmed are imported, too`;

/** The ways in which Postgres and its tools write that there is no value. */
const ABSENT = /^(null|\\N)$/i;

/** Opens a CSV export of Supabase's table `auth.users`. */
export async function openSupabaseSource(file: string): Promise<Source> {
  const source = await openCsv(file, requireNumber, readRow);
  return source.columns.includes(CONFIRMED_COLUMN) ? source : { ...source, warning: UNCHECKED };
}

function requireNumber(columns: readonly string[]): void {
  if (columns.includes('phone')) return;
  throw new Failure(
    'the first line must name a column phone, as in an export of the table auth.users; columns are separated by commas',
    EXIT_DATA,
  );
}

function readRow(given: Row): Omit<SourceRecord, 'place'> {
  const row: Row = Object.fromEntries(
    Object.entries(given).map(([name, value = '']) => [name, presentIn(value)]),
  );
  const fault = faultOf(row);
  const record = { phoneNumber: internationalOf(row.phone), name: nameOf(row), createdAt: row.created_at };
  return record.phoneNumber !== null && fault !== null ? { ...record, fault } : record;
}

function faultOf({ deleted_at, banned_until, phone_confirmed_at }: Row): string | null {
  if (deleted_at) return 'the user is deleted';
  if (banned_until && isAhead(banned_until)) return 'the user is banned';
  // The column is missing from some exports.
  if (phone_confirmed_at === '') return 'the phone number is not confirmed';
  return null;
}

/** The end of a ban counts as ahead if it cannot be read: `infinity`. */
function isAhead(text: string): boolean {
  const end = instantOf(text);
  return end === null || end > new Date();
}

function presentIn(value: string): string {
  const text = value.trim();
  return ABSENT.test(text) ? '' : text;
}

/** Supabase stores numbers without `+`. */
function internationalOf(phone = ''): string | null {
  const digits = phone.trim();
  if (digits === '') return null;
  return digits.startsWith('+') ? digits : `+${digits}`;
}

function nameOf({ raw_user_meta_data: json = '' }: Row): string | null {
  const members = parsed(json);
  const names = [members?.name, members?.full_name].filter((name) => typeof name === 'string');
  return (names.find((name) => name !== '') as string | undefined) ?? null;
}

/** Users can write their own metadata, so it may be anything. */
function parsed(json: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(json);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
