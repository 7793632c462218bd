import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

declare global {
  var testServices: ChildProcessByStdio<Writable, Readable, null> | undefined;
}

/**
 * Starts `services.ts` as a process of its own and passes on where the servers are. Jest runs this hook
 * on plain `require`, which cannot load the project; and only another process outlives Ctrl-C,
 * `--bail` and `kill -9` to clear up after them.
 */
export default async function startServices(): Promise<void> {
  const here = import.meta.dirname;
  build(join(here, '../../scripts/run.mjs'));
  const program = `require(${JSON.stringify(join(here, 'services.ts'))})`;
  const services = spawn(process.execPath, ['--require', join(here, 'typescript.cjs'), '--eval', program], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  globalThis.testServices = services;
  for await (const line of createInterface({ input: services.stdout })) {
    Object.assign(process.env, JSON.parse(line));
    return;
  }
  throw new Error('the services which the tests need did not start; the reason stands above');
}

/** Some specs run the programs themselves, as they are shipped. */
function build(script: string): void {
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed; the reason stands above');
}
