import type { Command } from 'commander';
import { expectSubcommand } from '../subcommands.js';

export function addNumbers(program: Command): void {
  const numbers = program.command('numbers').description('Answers questions about phone numbers.');
  numbers
    .command('lookup')
    .description('Prints what happened to the messages of a number, and what limits the next one.')
    .argument('<number>', 'phone number, such as +14155550100; - reads it from standard input')
    .option('--json', 'print JSON, as POST /v1/operations/numbers/lookup answers it')
    .addHelpText(
      'after',
      '\nReads the same environment variables as the server, and changes nothing. Logs the lookup to standard error, and records it as an event.',
    )
    .action(async (number: string, { json = false }: { json?: boolean }) => {
      const { lookUp } = await import('./lookup.js');
      await lookUp(number, json);
    });
  expectSubcommand(numbers);
}
