import { installed } from './installed.js';

export type OnProgress = (done: number, total: number) => void;

/** Shows a bar on standard error while the work runs. A pipe, and an installation without cli-progress, gets none. */
export async function withProgress<T>(work: (onProgress?: OnProgress) => T | Promise<T>): Promise<T> {
  const library = process.stderr.isTTY ? await installed(import('cli-progress')) : null;
  if (!library) return work();
  const bar = new library.default.SingleBar({ format: '{bar} {value}/{total}', stream: process.stderr });
  bar.start(1, 0);
  try {
    return await work((done, total) => {
      bar.setTotal(total);
      bar.update(done);
    });
  } finally {
    bar.stop();
  }
}
