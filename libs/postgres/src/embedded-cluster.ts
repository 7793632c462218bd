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

/** The databases below one directory, and all it takes to run a server on them. */
export interface Cluster {
  readonly directory: string;
  readonly data: string;
  readonly logFile: string;
  readonly password: string;
  readonly binaries: Binaries;
  readonly runAs: RunAs;
}

/** As whom and where the programs run. The environment is bare: a PGPORT or LANG of the caller's must not count. */
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

/** Opens the cluster below the directory, creating what is missing. */
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

/** Once there is a cluster, every draft beside it is what an interrupted or a slower start left behind. */
export async function removeDrafts({ directory }: Cluster): Promise<void> {
  const drafts = (await readdir(directory)).filter((name) => name.startsWith(DRAFT));
  await Promise.all(drafts.map((draft) => removeFolder(join(directory, draft))));
}

/** Gives a file to whom the programs run as, in case that is not this process's user. */
export async function giveTo({ uid, gid }: RunAs, path: string): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

async function makeDirectory(path: string): Promise<string> {
  const directory = resolve(path);
  await mkdir(dirname(directory), { recursive: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return realpath(directory);
}

/** Postgres refuses to run as root: it runs as the directory's owner then, or as a system user who becomes that. */
async function chooseAccount(directory: string): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const { uid, gid } = await stat(directory);
  if (uid !== 0) return { name: `user ${uid}`, uid, gid };
  const account = (await findAccount('postgres')) ?? (await findAccount('nobody'));
  if (!account) {
    throw new Error(
      'Postgres does not run as root, and this system has neither a user postgres nor nobody: start Latchkey as an ordinary user, or set DATABASE_URL',
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
  await assertReachable(postgres, account, 'install Latchkey in a place which every user can reach');
  await assertReachable(directory, account, 'set DATA_DIR to a place which every user can reach');
  await chown(directory, account.uid, account.gid);
}

/** Behind a door that is closed to its user Postgres fails in riddles; better to say it beforehand. */
async function assertReachable(path: string, account: Account, remedy: string): Promise<void> {
  const folder = await findClosedFolder(path, account);
  if (!folder) return;
  throw new Error(
    `Started as root, Latchkey runs Postgres as ${account.name}, who may not enter ${folder}: ${remedy}, start Latchkey as an ordinary user, or set DATABASE_URL`,
  );
}

/** The outermost folder on the way to the path which the account may not pass through. */
async function findClosedFolder(path: string, account: Account): Promise<string | null> {
  const folder = dirname(path);
  if (folder === path) return null;
  const { mode, uid, gid } = await stat(folder);
  const passage = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  return (await findClosedFolder(folder, account)) ?? (mode & passage ? null : folder);
}

/** Drafts the cluster aside and moves it into place whole: a crash leaves a draft, never half a cluster. */
async function createCluster(home: string, { initdb }: Binaries, runAs: RunAs): Promise<void> {
  const draft = await mkdtemp(join(dirname(home), DRAFT));
  const passwordFile = join(draft, 'password');
  try {
    await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    await giveTo(runAs, passwordFile);
    await giveTo(runAs, draft);
    await run(initdb, argumentsFor(join(draft, 'data'), passwordFile), runAs);
    await rename(draft, home);
  } catch (error) {
    // Of two starts at the same moment the slower one finds the place taken, and uses what is there.
    if (existsSync(home)) return;
    const reason = (error as Error).message;
    throw new Error(
      `Postgres could not create its files in ${home}; to do without, set DATABASE_URL. ${reason}`,
      {
        cause: error,
      },
    );
  } finally {
    await removeFolder(draft);
  }
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

/** Retries, because a program may still be writing what this removes. */
function removeFolder(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 5 });
}
