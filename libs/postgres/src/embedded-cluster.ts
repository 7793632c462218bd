import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type Binaries, findBinaries } from './embedded-binaries.js';

const run = promisify(execFile);

/** A Postgres cluster (the databases of one server) in a directory, and what is needed to run it. */
export interface Cluster {
  readonly directory: string;
  readonly data: string;
  readonly logFile: string;
  readonly password: string;
  readonly binaries: Binaries;
  readonly runAs: RunAs;
}

/** The user, folder and environment of the Postgres programs. The caller's PGPORT or LANG must not reach them. */
interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

export const SUPERUSER = 'latchkey';

const DRAFT = 'draft-';

/** Opens the cluster in the directory, creating what is missing. */
export async function openCluster(path: string): Promise<Cluster> {
  const binaries = await findBinaries();
  const directory = await makeDirectory(path);
  const account = await chooseAccount(directory);
  if (account) await handOver(directory, account, binaries);

  const runAs = { uid: account?.uid, gid: account?.gid, cwd: directory, env: { LC_ALL: 'C', TZ: 'UTC' } };
  const home = join(directory, 'cluster');
  if (!existsSync(home)) await createCluster(home, binaries, runAs);
  return {
    directory,
    data: join(home, 'data'),
    logFile: join(directory, 'server.log'),
    password: await readFile(join(home, 'password'), 'utf8'),
    binaries,
    runAs,
  };
}

/** Removes drafts. Once the cluster exists, every draft was left by a start that was interrupted or lost a race. */
export async function removeDrafts({ directory }: Cluster): Promise<void> {
  const drafts = (await readdir(directory)).filter((name) => name.startsWith(DRAFT));
  await Promise.all(drafts.map((draft) => removeFolder(join(directory, draft))));
}

/** Makes the user that Postgres runs as the owner of a file. */
export async function giveTo({ uid, gid }: RunAs, path: string): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

async function makeDirectory(path: string): Promise<string> {
  const directory = resolve(path);
  await mkdir(dirname(directory), { recursive: true }).catch(explainFolder);
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch(explainFolder);
  return realpath(directory);
}

/** The driver's own texts do not say where the path comes from. */
function explainFolder(cause: NodeJS.ErrnoException): never {
  const user = process.geteuid ? ` as the user id ${process.geteuid()}` : '';
  throw new Error(
    `cannot create ${cause.path}${user} (${cause.code}): set DATA_DIR to a folder that this user can write, or set DATABASE_URL`,
    { cause },
  );
}

/**
 * Postgres refuses to run as root. A process of root runs it as the owner of the directory or, if that is root, as a
 * system user.
 */
async function chooseAccount(directory: string): Promise<Account | null> {
  if (process.geteuid?.() !== 0) return null;
  const { uid, gid } = await stat(directory);
  if (uid !== 0) return { name: `user ${uid}`, uid, gid };
  const account = (await findAccount('postgres')) ?? (await findAccount('nobody'));
  if (!account) {
    throw new Error(
      'Postgres cannot run as root, and this system has no user "postgres" or "nobody": start Latchkey as a normal user, or set DATABASE_URL',
    );
  }
  return account;
}

async function findAccount(name: string): Promise<Account | null> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { name: `user ${name}`, uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return null;
  }
}

async function handOver(directory: string, account: Account, { postgres }: Binaries): Promise<void> {
  await assertReachable(postgres, account, 'install Latchkey in a folder that every user can enter');
  await assertReachable(directory, account, 'set DATA_DIR to a folder that every user can enter');
  await chown(directory, account.uid, account.gid);
}

/** Postgres fails with an obscure error if its user cannot traverse the path, so check first. */
async function assertReachable(path: string, account: Account, remedy: string): Promise<void> {
  const folder = await findClosedFolder(path, account);
  if (!folder) return;
  throw new Error(
    `Latchkey was started as root and runs Postgres as ${account.name}, which cannot enter ${folder}: ${remedy}, start Latchkey as a normal user, or set DATABASE_URL`,
  );
}

/** Returns the outermost folder of the path that the account cannot traverse. */
async function findClosedFolder(path: string, account: Account): Promise<string | null> {
  const folder = dirname(path);
  if (folder === path) return null;
  const { mode, uid, gid } = await stat(folder);
  const passage = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  return (await findClosedFolder(folder, account)) ?? (mode & passage ? null : folder);
}

/** Creates the cluster as a draft and renames it into place: a crash leaves a draft, never half a cluster. */
async function createCluster(home: string, { initdb }: Binaries, runAs: RunAs): Promise<void> {
  const draft = await mkdtemp(join(dirname(home), DRAFT)).catch(explainFolder);
  const passwordFile = join(draft, 'password');
  try {
    await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    await giveTo(runAs, passwordFile);
    await giveTo(runAs, draft);
    await run(initdb, argumentsFor(join(draft, 'data'), passwordFile), runAs);
    await rename(draft, home);
  } catch (error) {
    // Of two simultaneous starts, the slower one finds a cluster in place and uses it.
    if (existsSync(home)) return;
    throw new Error(explainCreation(home, (error as Error).message), { cause: error });
  } finally {
    await removeFolder(draft);
  }
}

/** Containers often run as a user id that is in no user database, which only initdb minds. */
function explainCreation(home: string, reason: string): string {
  const [, uid] = /could not look up effective user ID (\d+)/.exec(reason) ?? [];
  if (uid === undefined)
    return `Postgres could not create its files in ${home}. To use another Postgres, set DATABASE_URL. ${reason}`;
  return `the user id ${uid} has no name, which Postgres needs to create its files: start Latchkey as a user of this system, add one with this id to /etc/passwd, or set DATABASE_URL`;
}

function argumentsFor(data: string, passwordFile: string): string[] {
  return [
    `--pgdata=${data}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--no-instructions',
  ];
}

/** Removes a folder, with retries because a program may still be writing into it. */
function removeFolder(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 5 });
}
