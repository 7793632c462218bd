import type { ImportedAccount, ImportedToken } from '#auth';
import { maskPhoneNumber, type PhoneNumber, parsePhoneNumber, type ReadingOptions } from '#phone';
import { faultOfName } from '#users';
import { parseTime } from './time.js';

/** An account as another system describes it. */
export interface SourceRecord {
  /** The place in the source: `line 7`, `user 12`. */
  readonly place: string;
  /** Null: the user signs in without a number. */
  readonly phoneNumber: string | null;
  readonly name?: string | null;
  readonly createdAt?: string | Date | null;
  /** The reason for which the source does not let the account be taken over. */
  readonly fault?: string;
  readonly legacyId?: number;
  readonly tokens?: readonly ImportedToken[];
}

/** A record that can be taken over, or the reason why it cannot. */
export type Reading =
  | { readonly account: ImportedAccount; readonly nameFault: string | null }
  | { readonly fault: string };

/** Reads a record. A name that breaks the rules is left out; any other fault refuses the account. */
export function readRecord(record: SourceRecord, options: ReadingOptions): Reading {
  if (record.fault !== undefined) return { fault: record.fault };
  const given = record.phoneNumber ?? '';
  if (given.trim() === '') return { fault: 'the phone number is missing' };
  const phoneNumber = parsePhoneNumber(given, options);
  if (!phoneNumber) return { fault: 'the phone number is not valid' };
  const createdAt = timeOf(record.createdAt);
  if (createdAt === undefined) return { fault: 'created_at must be a date, or a date and time (RFC 3339)' };
  const name = record.name?.trim() || null;
  const nameFault = name === null ? null : faultOfName(name);
  const { legacyId = null, tokens = [] } = record;
  const account = { phoneNumber, name: nameFault === null ? name : null, createdAt, legacyId, tokens };
  return { account, nameFault };
}

/** Returns the number for people, with too few digits to be used. It may be anything but a number. */
export function masked(given: string, options: ReadingOptions): string {
  const phoneNumber = parsePhoneNumber(given, options) ?? given.replaceAll(/[^+\d]/g, '').slice(0, 16);
  return phoneNumber.length < 8
    ? '*'.repeat(phoneNumber.length)
    : maskPhoneNumber(phoneNumber as PhoneNumber);
}

/** Returns null if there is no time, and undefined if it is not valid. */
function timeOf(given: SourceRecord['createdAt']): Date | null | undefined {
  if (given === undefined || given === null || given === '') return null;
  return parseTime(given) ?? undefined;
}
