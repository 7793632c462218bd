import { migrateAll, revertNewestMigration, runDatabaseCommand } from '#program';

export function applyPending(): Promise<void> {
  return runDatabaseCommand(async ({ config, databaseUrl }) => {
    const applied = await migrateAll(databaseUrl, config.databaseSchema);
    console.log(applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to apply');
  });
}

export function revertNewest(): Promise<void> {
  return runDatabaseCommand(async ({ config, databaseUrl }) => {
    const reverted = await revertNewestMigration(databaseUrl, config.databaseSchema);
    console.log(reverted ? `reverted ${reverted}` : 'nothing to revert');
  });
}
