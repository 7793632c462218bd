import type { Command } from 'commander';
import { expectSubcommand } from '../subcommands.js';

export function addClients(program: Command): void {
  const clients = program
    .command('clients')
    .description('Creates credentials for backends and other services.');
  clients
    .command('add <id>')
    .description(
      'Prints a new secret, and the entry for CLIENTS_FILE with its hash. The secret is stored nowhere.',
    )
    .option('--name <name>', 'name of the client; default: its id')
    .option('--purposes <list>', 'uses, separated by commas: sign_in, verify, introspect', 'sign_in')
    .action(async (id: string, options: { name?: string; purposes: string }) => {
      const { addClient } = await import('./clients.js');
      addClient(id, options);
    });
  expectSubcommand(clients);
}
