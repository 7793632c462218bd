// Builds the programs and starts one of them in this process.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const PROGRAMS = {
  api: 'dist/bundle/api.js',
  worker: 'dist/bundle/worker.js',
  cli: 'dist/bundle/cli.js',
};
const SOURCES = [
  'apps',
  'libs',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'nest-cli.json',
  'scripts/bundle.mjs',
];
const PARENT_CHECK_MS = 500;

const root = path.resolve(import.meta.dirname, '..');

export const PROGRAM_NAMES = Object.keys(PROGRAMS);

/** Builds all programs if a source is newer than the build. Exits if they cannot be built. */
export async function buildIfStale() {
  const built = modifiedMs(PROGRAMS.api);
  if (built > Math.max(...SOURCES.map(newestMs))) return;
  if (builderOrNull() || built === 0) await build();
  else console.error('Running an old build: @nestjs/cli is not installed.');
}

/** Builds all programs. Exits if they cannot be built. */
export async function build() {
  const nest = builderOrNull();
  // NODE_ENV=production makes npm leave out the builder.
  if (!nest)
    fail('Not built, and @nestjs/cli is not installed: run `npm ci --include=dev`, then `npm run build`.');
  // Standard output belongs to the program.
  console.error('Building…');
  const { status } = spawnSync(process.execPath, [nest, 'build', 'api'], {
    cwd: root,
    stdio: ['inherit', 2, 2],
  });
  if (status !== 0) process.exit(status ?? 1);
  const { bundle } = await import('./bundle.mjs');
  await bundle(root, PROGRAM_NAMES);
}

/** Runs a program with `args` as if it had been started by itself. */
export async function startProgram(name, args) {
  endWithParent();
  const entry = path.join(root, PROGRAMS[name]);
  process.argv = [process.argv[0], entry, ...args];
  await import(pathToFileURL(entry).href);
}

function builderOrNull() {
  try {
    return createRequire(import.meta.url).resolve('@nestjs/cli/bin/nest.js');
  } catch {
    return null;
  }
}

function newestMs(name) {
  const full = path.join(root, name);
  if (!existsSync(full)) return 0;
  if (!statSync(full).isDirectory()) return modifiedMs(name);
  const entries = readdirSync(full, { recursive: true, withFileTypes: true });
  const sources = entries.filter((entry) => entry.isFile() && !entry.name.endsWith('.spec.ts'));
  return Math.max(0, ...sources.map((entry) => statSync(path.join(entry.parentPath, entry.name)).mtimeMs));
}

function modifiedMs(name) {
  return statSync(path.join(root, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** A SIGTERM to npm ends npm and its shell but does not reach this process, which would then run on alone. */
function endWithParent() {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, PARENT_CHECK_MS).unref();
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
