import type { Command } from 'commander';
import { expectSubcommand } from '../subcommands.js';

export function addMigrate(program: Command): void {
  const migrate = program
    .command('migrate')
    .description('Applies the pending database migrations, oldest first.');
  migrate
    .command('revert')
    .description('Reverts the newest applied migration.')
    .action(async () => {
      const { revertNewest } = await import('./migrate.js');
      await revertNewest();
    });
  expectSubcommand(migrate, async () => {
    const { applyPending } = await import('./migrate.js');
    await applyPending();
  });
}
