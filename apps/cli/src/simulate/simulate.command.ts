import { type Command, InvalidArgumentError } from 'commander';
import { expectSubcommand } from '../subcommands.js';

/** The options belong to `simulate`, so that they are accepted before and after the name of the attack. */
export function addSimulate(program: Command): void {
  const simulate = program
    .command('simulate')
    .description('Simulates attacks against the abuse policy, and redraws the charts in bench/results.')
    .option('--policy <file>', 'JSON file whose members replace numbers of the default policy')
    .option('--seed <number>', 'seed of the random numbers', seedOf, 1)
    .option('--json', 'print JSON instead of a table');
  simulate
    .command('guess')
    .description('Simulates attackers who guess codes, one for each account, for a year.')
    .action(async (_options, command: Command) => {
      const { guess } = await import('./simulate.js');
      await guess(command.optsWithGlobals());
    });
  simulate
    .command('pump')
    .description('Simulates SMS pumping: an hour of requests whose codes are never entered.')
    .action(async (_options, command: Command) => {
      const { pump } = await import('./simulate.js');
      await pump(command.optsWithGlobals());
    });
  expectSubcommand(simulate);
}

function seedOf(value: string): number {
  if (!/^\d{1,9}$/.test(value))
    throw new InvalidArgumentError('Expected a whole number of at most nine digits');
  return Number(value);
}
