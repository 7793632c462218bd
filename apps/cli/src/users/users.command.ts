import type { Command } from 'commander';
import { expectSubcommand } from '../subcommands.js';
import { USER_ARGUMENT } from '../user-argument.js';

export function addUsers(program: Command): void {
  const users = program.command('users').description('Shows, exports and deletes accounts.');
  users
    .command('show')
    .description('Prints the account of a user.')
    .argument('<user>', USER_ARGUMENT)
    .option('--json', 'print JSON')
    .action(async (user: string, { json = false }: { json?: boolean }) => {
      const { showUser } = await import('./users.js');
      await showUser(user, json);
    });
  users
    .command('export')
    .description('Prints everything that is stored about a user, as JSON.')
    .argument('<user>', USER_ARGUMENT)
    .action(async (user: string) => {
      const { exportUser } = await import('./users.js');
      await exportUser(user);
    });
  users
    .command('delete')
    .description(
      'Deletes an account with its sessions, verifications and everything else that is stored about the user.',
    )
    .argument('<user>', USER_ARGUMENT)
    .requiredOption('--yes', 'confirm: it cannot be undone')
    .action(async (user: string) => {
      const { deleteUser } = await import('./users.js');
      await deleteUser(user);
    });
  expectSubcommand(users);
}
