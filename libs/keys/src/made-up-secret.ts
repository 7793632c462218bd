import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** For development: a secret made on the first start and kept in a file that only its owner can read. */
export function madeUpSecret(directory: string): string {
  const file = join(directory, 'secret');
  if (!existsSync(file)) make(directory, file);
  return readFileSync(file, 'utf8');
}

/** Linked into place, so that of two processes that start together both use the same, whole secret. */
function make(directory: string, file: string): void {
  mkdirSync(directory, { recursive: true });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, randomBytes(32).toString('base64url'), { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
}
