// Runs every check that must pass before a change is merged. The static checks run side by side and are all
// reported; the others run in order and stop at the first failure.
import { spawn } from 'node:child_process';
import path from 'node:path';

const bin = (name) => path.join('node_modules', '.bin', name);

const staticChecks = [
  ['format and lint', bin('biome'), ['check', '--error-on-warnings']],
  ['language', process.execPath, ['scripts/language.mjs']],
  ['types', bin('tsc'), ['--noEmit']],
  ['client: types', bin('tsc'), ['--noEmit', '-p', 'clients/typescript']],
  ['client: size, and nothing of Node', process.execPath, ['scripts/client.mjs', 'size']],
  [
    'module boundaries',
    bin('depcruise'),
    ['--config', 'dependency-cruiser.mjs', 'apps', 'libs', 'clients', 'test'],
  ],
  ['dead code', bin('knip'), []],
  ['OpenAPI: spectral', bin('spectral'), ['lint', 'docs/openapi.json', '--fail-severity', 'hint']],
  ['OpenAPI: redocly', bin('redocly'), ['lint', 'docs/openapi.json']],
];

const orderedChecks = [
  ['build', process.execPath, ['scripts/run.mjs', 'build']],
  ['generated documents', process.execPath, ['scripts/docs.mjs', '--check']],
  ['budgets of statements', process.execPath, ['bench/main.mjs', 'statements']],
  ['tests', 'npm', ['test']],
];

const results = await Promise.all(staticChecks.map(runQuietly));
if (results.includes(false)) process.exit(1);
for (const check of orderedChecks) if (!(await run(check))) process.exit(1);
console.log('\n✓ all checks passed');

/** Prints the output of a failed check only, so that the output of parallel checks does not mix. */
async function runQuietly([name, ...command]) {
  const { passed, output } = await spawned(command, 'pipe');
  console.log(passed ? `✓ ${name}` : `✗ ${name}\n${output}`);
  return passed;
}

async function run([name, ...command]) {
  console.log(`\n── ${name}`);
  const { passed } = await spawned(command, 'inherit');
  if (!passed) console.error(`\n✗ ${name}`);
  return passed;
}

function spawned([file, args], stdio) {
  // Redocly would ask npm for a newer version.
  const env = { ...process.env, REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
  const child = spawn(file, args, { stdio, env, shell: process.platform === 'win32' });
  let output = '';
  child.stdout?.on('data', (text) => (output += text));
  child.stderr?.on('data', (text) => (output += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ passed: status === 0, output }));
  });
}
