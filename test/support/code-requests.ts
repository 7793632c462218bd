import type { Answer } from './client.js';
import type { AcceptedMessage } from './fake-twilio.js';
import type { ServerProcess } from './server-process.js';
import { codeIn } from './verifications.js';
import { waitFor } from './wait.js';

/** Polls slowly, because many deliveries are awaited at once. */
const POLL_MS = 100;

/** A requested code. */
export interface CodeRequest {
  readonly id: string;
  readonly number: string;
  readonly at: number;
  readonly tookMs: number;
}

export interface Delivery {
  readonly status: string;
  readonly reason: string | null;
}

export async function requestCode(
  { client }: ServerProcess,
  number: string,
  more: object = {},
): Promise<CodeRequest> {
  const [at, began] = [Date.now(), performance.now()];
  const { status, body } = await client.post('/v1/verifications', { phone_number: number, ...more });
  expect(status).toBe(202);
  return { id: body.id, number, at, tookMs: Math.round(performance.now() - began) };
}

export async function readVerification(
  { client }: ServerProcess,
  { id }: Pick<CodeRequest, 'id'>,
): Promise<Answer['body']> {
  return (await client.get(`/v1/verifications/${id}`)).body;
}

/** Waits until the delivery meets the condition. */
export function deliveryOf(
  server: ServerProcess,
  request: Pick<CodeRequest, 'id'>,
  condition: (delivery: Delivery) => boolean,
  withinMs = 20_000,
): Promise<Delivery> {
  const look = async () => {
    const { status, reason } = (await readVerification(server, request)).delivery;
    return condition({ status, reason }) && { status, reason };
  };
  return waitFor('the state of the delivery', look, withinMs, POLL_MS);
}

export function isOver({ status }: Delivery): boolean {
  return ['delivered', 'undelivered', 'failed'].includes(status);
}

/** Returns the different codes in these messages. */
export function codesIn(messages: readonly AcceptedMessage[]): Set<string | undefined> {
  return new Set(messages.map(codeIn));
}

/** Returns the parts of a verification that must not depend on its number. */
export function shapeOf(body: Record<string, unknown>): object {
  const { delivery, status, channel, code_length, attempts_left } = body;
  const { updated_at: _, ...state } = delivery as Record<string, unknown>;
  return { names: Object.keys(body), status, channel, code_length, attempts_left, state };
}
