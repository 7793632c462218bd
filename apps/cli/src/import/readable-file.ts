import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { EXIT_USAGE, Failure } from '../failure.js';

/** @throws Failure if there is no such file, or it cannot be read. */
export function readableFile(file: string): Stats {
  try {
    accessSync(file, constants.R_OK);
    const stats = statSync(file);
    if (stats.isFile()) return stats;
  } catch (error) {
    throw new Failure(
      `the file cannot be read: ${(error as NodeJS.ErrnoException).code}; see --help`,
      EXIT_USAGE,
    );
  }
  throw new Failure('expected the path of a file; see --help', EXIT_USAGE);
}
