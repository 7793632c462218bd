import type { Command } from 'commander';
import { expectSubcommand } from '../subcommands.js';

export function addMessages(program: Command): void {
  const messages = program.command('messages').description('Checks the message texts.');
  messages
    .command('lint')
    .description('Prints every text in every language with its length in SMS segments and its faults.')
    .addHelpText(
      'after',
      '\nReads the same environment variables as the server (BRAND, SMS_ORIGIN, SMS_APP_HASHES, MESSAGES_FILE …).\nExits with 1 if a text has a fault.',
    )
    .action(async () => {
      const { lint } = await import('./lint.js');
      process.exitCode = lint();
    });
  expectSubcommand(messages);
}
