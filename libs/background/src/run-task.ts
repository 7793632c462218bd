import { Logger } from '@nestjs/common';
import { type Job, UnrecoverableError } from 'bullmq';
import { inOwnLogContext } from '#logging';
import { GiveUp, TRIES, TryAgain } from './retries.js';

/** Does the tasks of one name. The queue stores the data in plain text, so it must contain ids only. */
export interface TaskHandler<Data> {
  /** @throws TryAgain for another try, GiveUp for none. Any other error counts as TryAgain. */
  run(data: Data): Promise<void>;
  /** Called when the task failed for good. If it throws, the task is tried again while it has tries left. */
  gaveUp(data: Data, reason: string): Promise<void>;
}

const logger = new Logger('Background');

/** Runs one try of a task. Its error tells BullMQ whether to try again. */
export function runTask(job: Job, handler: TaskHandler<unknown> | undefined): Promise<void> {
  return inOwnLogContext(() => runTry(job, handler));
}

async function runTry(job: Job, handler: TaskHandler<unknown> | undefined): Promise<void> {
  if (!handler) throw new Error(`no handler is registered for the task "${job.name}"`);
  const triesMade = job.attemptsMade + 1;
  try {
    await handler.run(job.data);
  } catch (error) {
    const hasTriesLeft = triesMade < (job.opts.attempts ?? TRIES);
    if (hasTriesLeft && !(error instanceof GiveUp)) throw await tryAgain(job, error);
    const reason = error instanceof GiveUp ? error.message : `failed ${triesMade} times`;
    logger.warn(`${nameOf(job)} given up: ${reason}`);
    await handler.gaveUp(job.data, reason).catch(async (failure) => {
      throw await tryAgain(job, failure);
    });
    throw new UnrecoverableError(reason);
  }
}

/** Returns an error that is safe to store: BullMQ keeps its message, and an unexpected one may contain secrets. */
async function tryAgain(job: Job, error: unknown): Promise<TryAgain> {
  if (!(error instanceof TryAgain)) {
    logger.error(`${nameOf(job)} failed`, error instanceof Error ? error.stack : String(error));
    return new TryAgain('unexpected error');
  }
  if (error.data) await job.updateData(error.data);
  return error;
}

/** Names a task in logs by the beginning of its id, because a whole id may give access to a verification. */
function nameOf({ name, id = '' }: Job): string {
  return `${name} ${id.slice(0, 6)}…`;
}
