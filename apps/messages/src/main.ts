import { ConfigurationError, readConfig } from '#config';
import { lintMessages } from '#messaging';
import { reportOf } from './report.js';

/** sysexits.h, EX_CONFIG, as the servers exit with. */
const EXIT_CONFIGURATION = 78;
const EXIT_USAGE = 2;
const EXIT_FAULTS = 1;
const USAGE = 'npm run messages -- lint';

// Started by scripts/run.mjs the name of the program comes first.
const [command, ...others] = process.argv.slice(process.argv[2] === 'messages' ? 3 : 2);
if (command !== 'lint' || others.length > 0) exitWith(EXIT_USAGE, `say lint (${USAGE})`);

const findings = lintMessages(configOrExit());
const faults = findings.flatMap((finding) => finding.faults);
process.stdout.write(`${reportOf(findings)}\n\n${faults.length} faults in ${findings.length} messages\n`);
process.exitCode = faults.length > 0 ? EXIT_FAULTS : 0;

function configOrExit() {
  try {
    return readConfig();
  } catch (error) {
    if (error instanceof ConfigurationError) exitWith(EXIT_CONFIGURATION, `\n${error.message}`);
    throw error;
  }
}

function exitWith(status: number, sentence: string): never {
  process.stderr.write(`Latchkey cannot look at the messages: ${sentence}\n`);
  process.exit(status);
}
