import type { Command } from 'commander';
import { EXIT_USAGE, Failure } from './failure.js';

/**
 * Rejects a missing or unknown subcommand. Call it after the subcommands are added: they would inherit that excess
 * arguments are allowed here.
 *
 * @param runAlone runs the command without a subcommand; without it a subcommand is required.
 */
export function expectSubcommand(command: Command, runAlone?: () => Promise<void>): void {
  command.allowExcessArguments().action(async () => {
    const [word] = command.args;
    if (word === undefined && runAlone) return runAlone();
    const names = command.commands.map((subcommand) => `"${subcommand.name()}"`);
    const expected = new Intl.ListFormat('en', { type: 'disjunction' }).format(names);
    const orNothing = runAlone ? ' or no further word' : '';
    const found = word === undefined ? '' : `, not "${word}"`;
    throw new Failure(`expected ${expected}${orNothing}${found}; see --help`, EXIT_USAGE);
  });
}
