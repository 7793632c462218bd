import { EXIT_DATA, Failure } from '../failure.js';
import { openCsv, type Row } from './csv-file.js';
import type { Source } from './source.js';
import type { SourceRecord } from './source-record.js';

/** Opens a CSV export of Supabase's table `auth.users`. */
export function openSupabaseSource(file: string): Promise<Source> {
  return openCsv(file, requireNumber, readRow);
}

function requireNumber(columns: readonly string[]): void {
  if (columns.includes('phone')) return;
  throw new Failure(
    'the first line must name a column phone, as in an export of the table auth.users',
    EXIT_DATA,
  );
}

function readRow(row: Row): Omit<SourceRecord, 'place'> {
  const fault = faultOf(row);
  const record = { phoneNumber: internationalOf(row.phone), name: nameOf(row), createdAt: row.created_at };
  return record.phoneNumber !== null && fault !== null ? { ...record, fault } : record;
}

function faultOf({ deleted_at, banned_until, phone_confirmed_at }: Row): string | null {
  if (deleted_at) return 'the user is deleted';
  if (banned_until) return 'the user is banned';
  // The column is missing from some exports.
  if (phone_confirmed_at === '') return 'the phone number is not confirmed';
  return null;
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
