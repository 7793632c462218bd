// The one gate: everything that must hold before a change lands, in the order in which it fails fastest.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const bin = (name) => path.join('node_modules', '.bin', name);

const steps = [
  ['format and lint', bin('biome'), ['check', '--error-on-warnings']],
  ['types', bin('tsc'), ['--noEmit']],
  ['arrows between rooms', bin('depcruise'), ['--config', 'dependency-cruiser.mjs', 'apps', 'libs', 'test']],
  ['dead code', bin('knip'), []],
  ['build', bin('nest'), ['build', 'api']],
  ['documents in sync', process.execPath, ['scripts/docs.mjs', '--check']],
  ['tests', 'npm', ['test']],
];

for (const [name, command, args] of steps) {
  console.log(`\n── ${name}`);
  const { status } = spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) {
    console.error(`\n✗ ${name}`);
    process.exit(status || 1);
  }
}
console.log('\n✓ all checks hold');
