import { type Command, InvalidArgumentError } from 'commander';

const LONGEST_LIST = 10_000;
const USUAL = 100;

export function addEvents(program: Command): void {
  program
    .command('events')
    .description(
      'Prints security events, the newest first: sign-ins, refreshes, ended sessions, acts of operators.',
    )
    .option('--user <user>', 'only those of a user: an id or a phone number; - reads it from standard input')
    .option('--kind <kind>', 'only one kind, such as signed_in')
    .option('--limit <count>', 'the most events to print', countOf, USUAL)
    .option('--json', 'print JSON')
    .action(async (options: { user?: string; kind?: string; limit: number; json?: boolean }) => {
      const { listEvents } = await import('./events.js');
      await listEvents(options);
    });
}

function countOf(text: string): number {
  const count = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > LONGEST_LIST) throw new InvalidArgumentError(`Expected 1 to ${LONGEST_LIST}.`);
  return count;
}
