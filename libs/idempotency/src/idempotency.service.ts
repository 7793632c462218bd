import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Unavailable } from '#errors';
import { Keys, seal, unseal } from '#keys';
import { IdempotentAnswersRepository } from './idempotent-answers.repository.js';

/** The time for which the answer to a request is repeated. */
const KEPT_MS = 60_000;
/** Longer than the work takes, and shorter than a client keeps trying. */
const LEASE_MS = 10_000;
/** The longest wait for another process that is answering the same request. */
const WAIT_MS = 5_000;
const POLL_MS = 100;

/** Everything that two requests must have in common to get one answer. */
export interface IdempotentRequest {
  /** The `Idempotency-Key` header. */
  readonly key: string;
  /** The path, with the id of the resource. */
  readonly path: string;
  /** The requester's device or address. */
  readonly requester: string;
  /** Tokens that the request has: the answer to one session is not for another. */
  readonly credentials: readonly (string | null)[];
  readonly body: unknown;
}

/**
 * Does the work of a request once, and repeats its answer for a minute. The answer may hold a session token, so it is
 * sealed with a key that derives from the request itself: neither the database nor the operator's secret is enough to
 * read it.
 */
@Injectable()
export class IdempotencyService {
  private readonly logger = new Logger('Idempotency');
  private readonly idKey: Buffer;
  private readonly sealingKey: Buffer;
  /** The requests that this process is answering, so that duplicates wait without asking the database. */
  private readonly running = new Map<string, Promise<object>>();

  constructor(
    private readonly answers: IdempotentAnswersRepository,
    keys: Keys,
  ) {
    this.idKey = keys.purposeKey('idempotent request');
    this.sealingKey = keys.purposeKey('idempotent answer');
  }

  /**
   * Returns the answer of the work. Duplicates of a request get the answer of the first one, converted to JSON and
   * back, or its error if they came while it ran. Nothing is kept of an error.
   *
   * @param request null for a request without a key: the work is done.
   * @throws Unavailable when another process does not answer the first request in time.
   */
  async once<Answer extends object>(
    request: IdempotentRequest | null,
    work: () => Promise<Answer>,
  ): Promise<Answer> {
    if (request === null) return work();
    const { key, path, requester, credentials, body } = request;
    const text = JSON.stringify([key, path, requester, credentials, body]);
    const id = hmac(this.idKey, text).toString('base64url');
    const running = this.running.get(id) ?? this.start(id, hmac(this.sealingKey, text), work);
    return running as Promise<Answer>;
  }

  purge(): Promise<void> {
    return this.answers.purge();
  }

  private start(id: string, sealingKey: Buffer, work: () => Promise<object>): Promise<object> {
    const running = this.answerOrWait(id, sealingKey, work).finally(() => this.running.delete(id));
    this.running.set(id, running);
    return running;
  }

  private async answerOrWait(id: string, sealingKey: Buffer, work: () => Promise<object>): Promise<object> {
    for (const deadline = Date.now() + WAIT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
      const claim = await this.answers.claim(id, LEASE_MS);
      if (claim.outcome === 'claimed') return this.answer(id, claim.claim, sealingKey, work);
      if (claim.outcome === 'answered')
        return JSON.parse(unseal(sealingKey, Buffer.from(claim.answer, 'base64url'), id).toString());
    }
    throw new Unavailable('the first request with this Idempotency-Key');
  }

  private async answer(
    id: string,
    claim: string,
    sealingKey: Buffer,
    work: () => Promise<object>,
  ): Promise<object> {
    try {
      const answer = await work();
      const sealed = seal(sealingKey, Buffer.from(JSON.stringify(answer)), id).toString('base64url');
      // The work is done and its answer belongs to the client, whether or not it can be repeated.
      await this.answers.answer(id, claim, sealed, KEPT_MS).catch((failure) => this.warn(failure));
      return answer;
    } catch (error) {
      // If this fails, the lease expires by itself.
      await this.answers.release(id, claim).catch((failure) => this.warn(failure));
      throw error;
    }
  }

  private warn(failure: Error): void {
    this.logger.warn(`an answer was not recorded: ${failure.message}`);
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
