import type { ImportedAccount, ImportedToken } from '#auth';
import { maskPhoneNumber, type PhoneNumber, parsePhoneNumber, type ReadingOptions } from '#phone';
import { faultOfName } from '#users';
import { pastTimeOf } from './time.js';

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
  | { readonly account: ImportedAccount; readonly nameFault: string | null; readonly isTimeBad: boolean }
  | { readonly fault: string };

/** Reads a record. A name or a time of creation that breaks the rules is left out; any other fault refuses the account. */
export function readRecord(record: SourceRecord, options: ReadingOptions): Reading {
  if (record.fault !== undefined) return { fault: record.fault };
  const given = record.phoneNumber ?? '';
  if (given.trim() === '') return { fault: 'the phone number is missing' };
  const phoneNumber = parsePhoneNumber(given, options);
  if (!phoneNumber) return { fault: 'the phone number is not valid' };
  const createdAt = pastTimeOf(record.createdAt);
  const name = record.name?.trim() || null;
  const nameFault = name === null ? null : faultOfName(name);
  const { legacyId = null, tokens = [] } = record;
  const account = {
    ...{ phoneNumber, legacyId, tokens },
    name: nameFault === null ? name : null,
    createdAt: createdAt ?? null,
  };
  return { account, nameFault, isTimeBad: createdAt === undefined };
}

/** Returns the number for people, with too few digits to be used. It may be anything but a number. */
export function masked(given: string, options: ReadingOptions): string {
  const phoneNumber = parsePhoneNumber(given, options) ?? given.replaceAll(/[^+\d]/g, '').slice(0, 16);
  return phoneNumber.length < 8
    ? '*'.repeat(phoneNumber.length)
    : maskPhoneNumber(phoneNumber as PhoneNumber);
}

/** Returns whether the number may have a meaning in some region, and no region is known. */
export function lacksRegion({ phoneNumber }: SourceRecord, { region }: ReadingOptions): boolean {
  return region === undefined && phoneNumber !== null && /^[\s\d()./-]{6,}$/.test(phoneNumber);
}
