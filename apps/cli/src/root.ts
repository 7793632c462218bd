import path from 'node:path';

/** The project folder, seen from dist/apps/cli/src. */
export const ROOT = path.resolve(import.meta.dirname, '../../../..');
