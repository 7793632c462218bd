// Starts servers on a core of their own, and reads what processes have used. Linux only.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The server under load runs on one core; the stores, the provider and the load run on the other. */
export const SERVER_CORE = 0;
export const OTHER_CORE = 1;

export const ALL_CORES = `0-${cpus().length - 1}`;

/** As `npm run start:prod` starts the server. All servers get it. */
const NODE_FLAGS = ['--max-semi-space-size=64'];

const LOOK_FOR_LINE_MS = 5;
const MS_PER_TICK = 10;
const PAGES_PER_MB = 256;

/** Moves this process to the other core. Processes that it starts later stay there too. */
export function pinThisProcess() {
  if (process.platform !== 'linux' || spawnSync('taskset', ['--version']).status !== 0)
    throw new Error('the comparison needs Linux with taskset (package util-linux)');
  if (cpus().length < 2) throw new Error('the comparison needs two cores');
  spawnSync('taskset', ['-a', '-p', '-c', String(OTHER_CORE), String(process.pid)]);
}

/**
 * Starts a Node program on a core, and waits for the line of its log that says its URL or that it is ready. The log is a file: a
 * pipe would make the load's core read the lines of the server that logs.
 */
export async function startOn(core, main, env, readyLine) {
  const start = performance.now();
  const folder = mkdtempSync(path.join(tmpdir(), 'latchkey-log-'));
  const file = path.join(folder, 'log');
  const log = openSync(file, 'w');
  const args = ['-c', String(core), process.execPath, ...NODE_FLAGS, main];
  // Not in the project folder, where a file `.env` would change what is measured.
  const options = { cwd: path.dirname(main), env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', log, log] };
  const child = spawn('taskset', args, options);
  closeSync(log);
  // An interrupted run ends without stopping its servers one by one.
  const deleteLog = () => rmSync(folder, { recursive: true });
  const kill = () => {
    child.kill();
    deleteLog();
  };
  process.once('exit', kill);
  const exit = once(child, 'exit');
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const stop = async () => {
    if (!hasEnded()) child.kill();
    await exit;
    process.removeListener('exit', kill);
    deleteLog();
  };
  for (;;) {
    const lines = readFileSync(file, 'utf8');
    const ready = lines.split('\n').find((line) => readyLine.test(line));
    if (ready) return { pid: child.pid, url: urlIn(ready), startMs: performance.now() - start, stop };
    if (hasEnded()) {
      await stop();
      throw new Error(`${main} did not start:\n${lines}`);
    }
    await sleep(LOOK_FOR_LINE_MS);
  }
}

function urlIn(line) {
  return /"url":"([^"]+)"/.exec(line)?.[1];
}

/** CPU time of a process so far, with the time of its children that have ended. */
function cpuMs(pid) {
  try {
    const fields = statOf(pid);
    return [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0) * MS_PER_TICK;
  } catch {
    return 0; // The process has ended, and its parent counts its time.
  }
}

/** CPU time of a process and of its children. */
export function cpuMsOfTree(pid) {
  return childrenOf(pid).reduce((sum, child) => sum + cpuMs(child), cpuMs(pid));
}

export function residentMb(pid) {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) / PAGES_PER_MB;
}

export function parentOf(pid) {
  return Number(statOf(pid)[1]);
}

/** The fields of /proc/PID/stat from the state on. */
function statOf(pid) {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
}

function childrenOf(pid) {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && parentOf(name) === pid;
    } catch {
      return false; // The process ended meanwhile.
    }
  });
}
