import type { Command } from 'commander';

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'Tries every setting and dependency of the server, and says what is wrong and how to fix it.',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nReads the same environment variables as the server. Changes nothing, and sends no message.\nExits with 1 after a fault, and with 78 when the variables are not valid.',
    )
    .action(async ({ json = false }: { json?: boolean }) => {
      const { examine } = await import('./doctor.js');
      process.exitCode = await examine(json);
    });
}
