// Builds the programs if a source changed, then runs the named one with the arguments after it.
import { build, buildIfStale, PROGRAM_NAMES, startProgram } from './programs.mjs';

const EXIT_USAGE = 2;
const WORDS = [...PROGRAM_NAMES, 'build'];
const USAGE = `Usage: node scripts/run.mjs [${WORDS.join('|')}] [arguments]

Builds if a source changed, then runs the program. Without a program it only builds; "build" builds in any case.
`;

const [program, ...args] = process.argv.slice(2);
if (program === '--help' || program === '-h') {
  process.stdout.write(USAGE);
} else if (program !== undefined && !WORDS.includes(program)) {
  const names = new Intl.ListFormat('en', { type: 'disjunction' }).format(WORDS.map((name) => `"${name}"`));
  process.stderr.write(`run.mjs: expected ${names}, not "${program}"\n`);
  process.exitCode = EXIT_USAGE;
} else if (program === 'build') {
  await build();
} else {
  await buildIfStale();
  if (program) await startProgram(program, args);
}
