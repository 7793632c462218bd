import type { Command } from 'commander';
import { expectSubcommand } from '../subcommands.js';

export function addWebhooks(program: Command): void {
  const webhooks = program
    .command('webhooks')
    .description('Tries the receiver of webhooks, and sends to it again.');
  webhooks
    .command('test')
    .description('Sends one event of the type webhook.test, and prints the answer.')
    .addHelpText(
      'after',
      '\nReads the same environment variables as the server. Exits with 1 unless the answer is 2xx.',
    )
    .action(async () => {
      const { sendTest } = await import('./webhooks.js');
      await sendTest();
    });
  webhooks
    .command('retry')
    .description(
      'Makes the servers send every event now that waits for another try, such as after an outage of the receiver.',
    )
    .action(async () => {
      const { retryAll } = await import('./webhooks.js');
      await retryAll();
    });
  expectSubcommand(webhooks);
}
