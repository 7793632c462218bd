import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

declare global {
  var testServices: ChildProcessByStdio<Writable, Readable, null> | undefined;
}

/**
 * Starts `services.ts` in a process of its own and passes the addresses of its servers to the specs. Jest runs
 * this hook on plain `require`, which cannot load the project; and only a separate process survives Ctrl-C,
 * `--bail` and `kill -9` and can clean up afterwards.
 */
export default async function startServices({ maxWorkers }: { maxWorkers: number }): Promise<void> {
  const here = import.meta.dirname;
  build(join(here, '../../scripts/run.mjs'));
  build(join(here, '../../scripts/client.mjs'), 'build-if-stale');
  const program = `require(${JSON.stringify(join(here, 'services.ts'))})`;
  const services = spawn(process.execPath, ['--require', join(here, 'typescript.cjs'), '--eval', program], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  globalThis.testServices = services;
  process.env.TEST_WORKERS = String(maxWorkers);
  for await (const line of createInterface({ input: services.stdout })) {
    Object.assign(process.env, JSON.parse(line));
    return;
  }
  throw new Error('the services of the tests did not start; see the error above');
}

/** Builds the programs and the client, which some specs run as they are shipped. */
function build(script: string, ...args: string[]): void {
  const { status } = spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed; see the error above');
}
