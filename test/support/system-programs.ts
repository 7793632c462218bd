import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Servers are often installed where the PATH of an ordinary user does not lead. */
const ALSO_IN = ['/usr/sbin', '/usr/local/sbin'];

/**
 * Finds a program that a test needs, by its first name that is installed. Without one it warns that `untested` is not
 * tested and returns null; on CI it throws.
 */
export function findProgram(names: readonly string[], untested: string): string | null {
  const { CI, PATH = '' } = process.env;
  const folders = [...PATH.split(delimiter), ...ALSO_IN];
  const found = names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
  if (found) return found;

  const remedy = `install ${names.join(' or ')}`;
  if (CI === 'true') throw new Error(`CI must not skip tests of ${untested}: ${remedy}`);
  process.stderr.write(`\n!!! NOT TESTED: ${untested}. To test it, ${remedy}.\n\n`);
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
