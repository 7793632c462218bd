import type { Command } from 'commander';
import { expectSubcommand } from '../subcommands.js';

const AFTER_HELP = `
Reads the same environment variables as the server. Numbers without a country code are read in DEFAULT_REGION.
An account that exists is left unchanged, so an import can be repeated.
Exits with 65 if a user was not imported.`;

/** The files that can be imported, and what they are. */
const FILES = {
  csv: 'a CSV file whose first line names the columns: phone (or phone_number), and optionally name and created_at',
  firebase: 'the JSON file of `firebase auth:export`, at most 256 MiB',
  supabase:
    'a CSV export of the table auth.users: phone, and optionally created_at, raw_user_meta_data, phone_confirmed_at, banned_until and deleted_at',
} as const;

export function addImport(program: Command): void {
  const imports = program.command('import').description('Imports the users of another system.');
  imports
    .command('go')
    .description(
      'Imports the users and the valid tokens of a Go server, and keeps their ids where they are free.',
    )
    .requiredOption(
      '--database-url <url>',
      "the Go server's database, which is only read: postgres://…; - reads it from standard input",
    )
    .addHelpText('after', AFTER_HELP)
    .action(async ({ databaseUrl }: { databaseUrl: string }) => {
      const { importGo } = await import('./import.js');
      await importGo(databaseUrl);
    });
  for (const [format, file] of Object.entries(FILES)) {
    imports
      .command(format)
      .description(`Imports the users of ${file.replace(/[,:] .*/, '')}.`)
      .argument('<file>', file)
      .addHelpText('after', AFTER_HELP)
      .action(async (name: string) => {
        const { importFile } = await import('./import.js');
        await importFile(format as keyof typeof FILES, name);
      });
  }
  expectSubcommand(imports);
}
