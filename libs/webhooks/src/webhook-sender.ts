import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from '@nestjs/common';
import { BackgroundService, type TaskEnd, type TaskHandler } from '#background';
import { Unavailable } from '#errors';
import { Keys } from '#keys';
import { codeOf, resultOf } from './retry-plan.js';
import { MOST_AT_ONCE, WebhookClient } from './webhook-client.js';
import { WebhookEvents } from './webhook-events.js';
import { type WebhookMessage, WebhookMessagesRepository } from './webhook-messages.repository.js';
import { WebhookOptions } from './webhook-options.js';
import { WebhookOutcomes } from './webhook-outcomes.js';

const SEND_WEBHOOKS = 'send-webhooks';

/** One task stands for all events that are due: adding it again while it waits changes nothing. */
const TASK_ID = 'webhooks';

/** Longer than a try and its record take. */
export const LEASE_MS = 15_000;

/** Finds tries that are due, and events whose task was lost. */
const LOOK_EVERY_MS = 1_000;

const PURGE_EVERY_MS = 10 * 60_000;

/**
 * Sends stored events, each at least once, unless they are given up. A few at once in each process, and not in the places of
 * tasks: a receiver that hangs must not delay messages.
 */
@Injectable()
export class WebhookSender implements TaskHandler<object>, OnModuleInit, BeforeApplicationShutdown {
  private readonly client: WebhookClient | null;
  /** The loops of `sendDue` that run. */
  private senders = 0;
  private isClosing = false;

  constructor(
    private readonly background: BackgroundService,
    private readonly messages: WebhookMessagesRepository,
    private readonly events: WebhookEvents,
    private readonly outcomes: WebhookOutcomes,
    private readonly keys: Keys,
    private readonly options: WebhookOptions,
  ) {
    this.client = options.receiver && new WebhookClient(options.receiver);
  }

  onModuleInit(): void {
    // Also where webhooks are off now: they may have been on before.
    this.background.register(SEND_WEBHOOKS, this);
    this.background.every(PURGE_EVERY_MS, 'delete old webhooks', () => this.purge());
    if (!this.client) return;
    this.background.every(LOOK_EVERY_MS, 'check for webhooks', async () => this.startSender());
    this.events.listen(() => this.background.run('start webhooks', () => this.addTask()));
  }

  beforeApplicationShutdown(): void {
    this.isClosing = true;
  }

  async run(): Promise<TaskEnd> {
    this.startSender();
    return 'over';
  }

  /** The check for webhooks sends them. */
  async gaveUp(): Promise<void> {}

  /** If the queue does not answer, the check for webhooks finds the event. */
  private async addTask(): Promise<void> {
    await this.background.enqueue(SEND_WEBHOOKS, TASK_ID, {}).catch((error) => {
      if (!(error instanceof Unavailable)) throw error;
    });
  }

  private startSender(): void {
    if (this.client === null || this.isClosing || this.senders === MOST_AT_ONCE) return;
    this.background.run('webhooks', () => this.sendDue(this.client as WebhookClient));
  }

  /** Sends due events one after another. Each one that is found starts another sender, up to the limit. */
  private async sendDue(client: WebhookClient): Promise<void> {
    this.senders += 1;
    try {
      while (!this.isClosing) {
        const message = await this.messages.claim(LEASE_MS);
        if (!message) return;
        this.startSender();
        await this.send(client, message);
      }
    } finally {
      this.senders -= 1;
    }
  }

  /** The record comes after the answer: a process that is killed in between has the event sent again. */
  private async send(client: WebhookClient, message: WebhookMessage): Promise<void> {
    const { id, type, createdAt: timestamp } = message;
    const { retryWaitsMs = [] } = this.options.receiver ?? {};
    const answer = await client.send({ id, type, timestamp, data: this.dataOf(message) });
    const result = resultOf(answer, message.tries, retryWaitsMs);
    if (typeof result === 'string') await this.messages.delete(id);
    else await this.messages.putOff(id, result.waitMs);
    this.outcomes.tried(typeof result === 'string' ? result : 'failed', message, codeOf(answer));
  }

  /** Returns the data with the whole number if the receiver gets it. */
  private dataOf({ data, phoneSealed }: WebhookMessage): object {
    if (!this.options.receiver?.numbers || phoneSealed === null) return data;
    return { ...data, phone_number: this.keys.unseal(phoneSealed) };
  }

  private async purge(): Promise<void> {
    this.outcomes.expired(await this.messages.purge());
  }
}
