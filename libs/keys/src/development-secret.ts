import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Returns a secret for development, generated on the first start and kept in a file that only its owner can read. */
export function developmentSecret(directory: string): string {
  const file = join(directory, 'secret');
  try {
    if (!existsSync(file)) generate(directory, file);
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(
      `cannot keep a secret in ${directory} (${code}): set DATA_DIR to a folder that this user can write, or set SECRET`,
      { cause },
    );
  }
}

/** Writes a draft and links it into place, so that two processes starting together use one complete secret. */
function generate(directory: string, file: string): void {
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
