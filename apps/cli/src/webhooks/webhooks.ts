import { randomUUID } from 'node:crypto';
import { LEASE_MS, WebhookClient, WebhookMessagesRepository } from '#webhooks';
import { runWithServices } from '../application.js';
import { configOrFailure } from '../configuration.js';
import { counted } from '../counted.js';
import { EXIT_CONFIGURATION, Failure } from '../failure.js';

const EXIT_FAILED = 1;

/** Instructions for failures that the receiver does not cause. */
const CURES: Readonly<Record<string, string>> = {
  private_address: 'WEBHOOK_URL has a private address: set WEBHOOK_ALLOW_PRIVATE=on if it is meant',
  timeout: 'the receiver did not answer within five seconds',
};

export async function sendTest(): Promise<void> {
  const { webhooks } = configOrFailure();
  if (!webhooks) throw new Failure('WEBHOOK_URL is not set', EXIT_CONFIGURATION);
  const event = { id: randomUUID(), type: 'webhook.test', timestamp: new Date(), data: {} };
  const answer = await new WebhookClient(webhooks).send(event);
  if ('failure' in answer)
    throw new Failure(`no answer: ${CURES[answer.failure] ?? answer.failure}`, EXIT_FAILED);
  const { status } = answer;
  if (status < 200 || status > 299) throw new Failure(`the receiver answered ${status}`, EXIT_FAILED);
  process.stdout.write(`the receiver answered ${status}\n`);
}

export async function retryAll(): Promise<void> {
  await runWithServices(async (app) => {
    const count = await app.get(WebhookMessagesRepository).bringForward(LEASE_MS);
    return `${counted(count, 'event')} ${count === 1 ? 'is' : 'are'} due now`;
  });
}
