import { revertMigration } from '#postgres';
import { migrateAll, runCommand } from '#program';

export function applyPending(): Promise<void> {
  return runCommand(async ({ config, databaseUrl }) => {
    const applied = await migrateAll(databaseUrl, config.redisUrl);
    console.log(applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to apply');
  });
}

export function revertNewest(): Promise<void> {
  return runCommand(async ({ databaseUrl }) => {
    const reverted = await revertMigration(databaseUrl);
    console.log(reverted ? `reverted ${reverted}` : 'nothing to revert');
  });
}
