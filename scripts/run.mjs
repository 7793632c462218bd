// Runs one of our programs, built first where its sources are newer than what was built. Without a name it only builds.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const ENTRIES = {
  api: 'dist/apps/api/src/main.js',
  messages: 'dist/apps/messages/src/main.js',
  migrate: 'dist/apps/api/src/migrate.js',
  simulate: 'dist/apps/simulate/src/main.js',
};

const root = path.resolve(import.meta.dirname, '..');

function buildIfStale() {
  const built = modifiedMs('dist/apps/api/src/main.js');
  const sources = ['apps', 'libs', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'nest-cli.json'];
  if (built > Math.max(...sources.map(newestMs))) return;
  // Standard output is the program's.
  console.error('Building…');
  const nest = createRequire(import.meta.url).resolve('@nestjs/cli/bin/nest.js');
  const { status } = spawnSync(process.execPath, [nest, 'build', 'api'], {
    cwd: root,
    stdio: ['inherit', 2, 2],
  });
  if (status !== 0) process.exit(status ?? 1);
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

const program = process.argv[2];
buildIfStale();
if (program) {
  endWithParent();
  await import(path.join(root, ENTRIES[program]));
}

/** A SIGTERM to npm ends npm and its shell but does not reach us: then nobody is left who could stop us. */
function endWithParent() {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, 500).unref();
}
