import type { Command } from 'commander';
import { expectSubcommand } from '../subcommands.js';
import { USER_ARGUMENT } from '../user-argument.js';

export function addSessions(program: Command): void {
  const sessions = program.command('sessions').description('Lists and ends sessions.');
  sessions
    .command('list')
    .description('Prints the sessions of a user, the newest first, also those that have ended.')
    .argument('<user>', USER_ARGUMENT)
    .option('--json', 'print JSON')
    .action(async (user: string, { json = false }: { json?: boolean }) => {
      const { listSessions } = await import('./sessions.js');
      await listSessions(user, json);
    });
  sessions
    .command('end')
    .description('Ends a session: its next request is refused.')
    .argument('<session>', 'id of the session')
    .action(async (session: string) => {
      const { endSession } = await import('./sessions.js');
      await endSession(session);
    });
  sessions
    .command('end-all')
    .description('Ends all sessions of a user.')
    .argument('<user>', USER_ARGUMENT)
    .action(async (user: string) => {
      const { endSessionsOf } = await import('./sessions.js');
      await endSessionsOf(user);
    });
  expectSubcommand(sessions);
}
