// Builds the programs if a source changed, then runs the named one with the arguments after it.
import { buildIfStale, PROGRAM_NAMES, startProgram } from './programs.mjs';

const EXIT_USAGE = 2;
const USAGE = `Usage: node scripts/run.mjs [${PROGRAM_NAMES.join('|')}] [arguments]

Builds if a source changed, then runs the program. Without a program it only builds.
`;

const [program, ...args] = process.argv.slice(2);
if (program === '--help' || program === '-h') {
  process.stdout.write(USAGE);
} else if (program !== undefined && !PROGRAM_NAMES.includes(program)) {
  const names = new Intl.ListFormat('en', { type: 'disjunction' }).format(
    PROGRAM_NAMES.map((name) => `"${name}"`),
  );
  process.stderr.write(`run.mjs: expected ${names}, not "${program}"\n`);
  process.exitCode = EXIT_USAGE;
} else {
  buildIfStale();
  if (program) await startProgram(program, args);
}
