import type { Command } from 'commander';
import { expectSubcommand } from '../subcommands.js';

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('Rotates the keys of signed tokens.');
  keys
    .command('rotate')
    .description(
      'Creates the next key of signed tokens. It is published at once, and signs after 15 minutes; the first key signs at once.',
    )
    .action(async () => {
      const { rotateKeys } = await import('./keys.js');
      await rotateKeys();
    });
  expectSubcommand(keys);
}
