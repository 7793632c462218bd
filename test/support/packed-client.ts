import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rename, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const ROOT = resolve(import.meta.dirname, '../..');
const CLIENT = join(ROOT, 'clients/typescript');
const NAME = '@latchkey/client';

/**
 * Modules with another name in this repository. Under its own name Express would become part of the production install, because a
 * dependency has it as an optional peer.
 */
const ALIASES: Record<string, string> = { express: 'express-for-examples' };

/** Packs the built client as npm would publish it, and unpacks it where modules of the folder find it. */
export async function installClient(folder: string): Promise<void> {
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: CLIENT,
  });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await run('tar', ['-xzf', filename], { cwd: folder });
  const target = join(folder, 'node_modules', NAME);
  await mkdir(dirname(target), { recursive: true });
  await rename(join(folder, 'package'), target);
  await linkDependencies(target, folder);
}

/** Copies an example with its client and its dependencies. */
export async function installExample(name: string, folder: string): Promise<void> {
  await cp(join(ROOT, 'examples', name), folder, { recursive: true });
  await installClient(folder);
  await linkDependencies(folder, folder);
}

/** Links what a package depends on from the modules of this repository. */
async function linkDependencies(of: string, folder: string): Promise<void> {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(
    await readFile(join(of, 'package.json'), 'utf8'),
  );
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    if (name === NAME) continue;
    const link = join(folder, 'node_modules', name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(ROOT, 'node_modules', ALIASES[name] ?? name), link, 'dir');
  }
}
