import { readJsonFile } from '#config';
import { EXIT_DATA, Failure } from '../failure.js';
import { readableFile } from './readable-file.js';
import type { Source } from './source.js';
import type { SourceRecord } from './source-record.js';

/** The file is read whole. The objects take several times its size in memory. */
const LARGEST_MIB = 256;

/** Stands for a value that is no text. */
const NOT_A_TIME = 'not a time';

const TIME_RULE = 'createdAt must be milliseconds since 1970, and not in the future';

/** A user of `firebase auth:export`. All members may be missing. */
interface FirebaseUser {
  readonly phoneNumber?: unknown;
  readonly displayName?: unknown;
  /** Milliseconds since 1970, as text. */
  readonly createdAt?: unknown;
  readonly disabled?: unknown;
  readonly providerUserInfo?: readonly { readonly phoneNumber?: unknown }[];
}

/** Opens the JSON file that `firebase auth:export` writes. */
export async function openFirebaseSource(file: string): Promise<Source> {
  if (readableFile(file).size > LARGEST_MIB * 1_048_576)
    throw new Failure(`the file is larger than ${LARGEST_MIB} MiB: split it`, EXIT_DATA);
  const users = usersIn(file);
  let done = 0;
  async function* records(): AsyncGenerator<SourceRecord> {
    for (const user of users) {
      done += 1;
      yield { place: `user ${done}`, ...readUser(user) };
    }
  }
  return { total: users.length, done: () => done, records: records(), timeRule: TIME_RULE };
}

/** @throws Failure */
function usersIn(file: string): readonly unknown[] {
  let content: unknown;
  try {
    content = readJsonFile(file);
  } catch (error) {
    throw new Failure((error as Error).message, EXIT_DATA);
  }
  const { users } = (content ?? {}) as { users?: unknown };
  if (Array.isArray(users)) return users;
  throw new Failure('the file has no list "users", as `firebase auth:export` writes it', EXIT_DATA);
}

function readUser(given: unknown): Omit<SourceRecord, 'place'> {
  if (typeof given !== 'object' || given === null) return { phoneNumber: null, fault: 'is not an object' };
  const { phoneNumber, displayName, createdAt, disabled, providerUserInfo } = given as FirebaseUser;
  const providers = Array.isArray(providerUserInfo) ? providerUserInfo : [];
  const numbers = [phoneNumber, ...providers.map((provider) => provider?.phoneNumber)];
  const record = {
    phoneNumber: numbers.find((number) => typeof number === 'string' && number !== '') as string | undefined,
    name: typeof displayName === 'string' ? displayName : null,
    createdAt: timeOf(createdAt),
  };
  if (record.phoneNumber === undefined) return { phoneNumber: null };
  const read = { ...record, phoneNumber: record.phoneNumber };
  return disabled === true ? { ...read, fault: 'the user is disabled' } : read;
}

/** Leaves text that is not a time unchanged: it is left out later. */
function timeOf(createdAt: unknown): string | Date | null {
  if (createdAt === undefined || createdAt === null) return null;
  const text = typeof createdAt === 'object' ? '' : String(createdAt);
  return /^\d{1,15}$/.test(text) ? new Date(Number(text)) : text || NOT_A_TIME;
}
