import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';

const bench = path.resolve(import.meta.dirname, '..');
const root = path.resolve(bench, '..');

/** Installs the packages of this folder if its lock changed, and builds the server if a source changed. */
export function prepare() {
  if (!isInstalled()) runChecked('npm', ['ci', '--no-audit', '--no-fund'], bench);
  runChecked(process.execPath, [path.join(root, 'scripts/run.mjs')], root);
}

function isInstalled() {
  const [lock, installed] = ['package-lock.json', 'node_modules/.package-lock.json'].map((name) => path.join(bench, name));
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs;
}

function runChecked(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed in ${cwd}`);
}
