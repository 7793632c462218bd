import type { Agent } from 'node:http';
import { Webhook } from 'standardwebhooks';
import type { WebhookConfig } from '#config';
import { ExchangeFailed, exchange, filteredAgent, retryAfterMs } from '#outbound';
import type { WebhookAnswer } from './retry-plan.js';
import type { OutgoingEvent } from './webhook-event.js';

/** The events that one process sends at once. */
export const MOST_AT_ONCE = 8;

/** The time limit of a try, from the wait for a connection to the last byte of the answer. */
const LIMIT_MS = 5_000;

/** A short answer keeps its connection usable. Its text is ignored. */
const MAX_ANSWER_BYTES = 4_096;

const IDLE_MS = 2_000;

/** Signs events and posts them to the receiver, in the form of Standard Webhooks 1.0. Each call is one try. */
export class WebhookClient {
  // Private by `#`: the address and the secrets are credentials, and `inspect` shows other fields.
  readonly #url: string;
  readonly #signers: readonly Webhook[];
  readonly #agent: Agent;
  readonly #limitMs: number;

  /** @param limitMs shorter only in tests. */
  constructor({ url, secrets, allowPrivate }: WebhookConfig, limitMs = LIMIT_MS) {
    this.#url = url;
    this.#signers = secrets.map((secret) => new Webhook(secret));
    this.#agent = filteredAgent(url, { allowPrivate, maxSockets: MOST_AT_ONCE, idleMs: IDLE_MS });
    this.#limitMs = limitMs;
  }

  async send({ id, type, timestamp, data }: OutgoingEvent): Promise<WebhookAnswer> {
    const body = JSON.stringify({ type, timestamp: timestamp.toISOString(), data });
    const sentAt = new Date();
    const headers = {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': 'Latchkey',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1_000)),
      'webhook-signature': this.#signers.map((signer) => signer.sign(id, sentAt, body)).join(' '),
    };
    const limits = { timeMs: this.#limitMs, answerBytes: MAX_ANSWER_BYTES };
    try {
      const answer = await exchange({ method: 'POST', url: this.#url, headers, body }, this.#agent, limits);
      return { status: answer.status, retryAfterMs: retryAfterMs(answer.headers['retry-after']) };
    } catch (error) {
      if (!(error instanceof ExchangeFailed)) throw error;
      return { failure: error.reason };
    }
  }
}
