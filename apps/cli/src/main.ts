import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Command, CommanderError } from 'commander';
import { addClients } from './clients/clients.command.js';
import { addDoctor } from './doctor/doctor.command.js';
import { addEvents } from './events/events.command.js';
import { EXIT_USAGE, Failure } from './failure.js';
import { addImport } from './import/import.command.js';
import { addKeys } from './keys/keys.command.js';
import { addMessages } from './messages/messages.command.js';
import { addMigrate } from './migrate/migrate.command.js';
import { addNumbers } from './numbers/numbers.command.js';
import { ROOT } from './root.js';
import { addSessions } from './sessions/sessions.command.js';
import { addSimulate } from './simulate/simulate.command.js';
import { expectSubcommand } from './subcommands.js';
import { addUsers } from './users/users.command.js';
import { addWebhooks } from './webhooks/webhooks.command.js';

const program = new Command('latchkey')
  .description('Maintenance commands of a Latchkey server.')
  .version(versionOf(ROOT), '-V, --version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .helpCommand(false)
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({ outputError: (text, write) => write(`latchkey: ${sentenceOf(text)}; see --help\n`) })
  .exitOverride();
addClients(program);
addDoctor(program);
addEvents(program);
addImport(program);
addKeys(program);
addMigrate(program);
addMessages(program);
addNumbers(program);
addSessions(program);
addSimulate(program);
addUsers(program);
addWebhooks(program);
expectSubcommand(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeFor(error);
}

/** Commander writes its own faults, help and version before it throws, and uses 1 for wrong usage. */
function exitCodeFor(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`latchkey: ${error.message}\n`);
  return error.exitCode;
}

/** Commander's message as one sentence on one line, without its prefix. */
function sentenceOf(text: string): string {
  return text
    .replace(/^error: /, '')
    .trim()
    .replaceAll('\n', ' ')
    .replace('. Expected', ': expected')
    .replace(/\.$/, '');
}

function versionOf(root: string): string {
  return JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version;
}
