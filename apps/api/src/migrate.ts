import { revertMigration } from '#postgres';
import { migrateAll, runCommand } from '#program';

/** `npm run migrate`, and with the argument `revert` one step back. */
await runCommand(async ({ config, databaseUrl }) => {
  if (process.argv.includes('revert')) {
    const reverted = await revertMigration(databaseUrl);
    console.log(reverted ? `took ${reverted} back` : 'nothing to take back');
  } else {
    const applied = await migrateAll(databaseUrl, config.redisUrl);
    console.log(applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to apply');
  }
});
