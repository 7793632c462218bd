import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { originOf } from '#abuse';
import { SESSION_COOKIES } from '#auth';
import { InvalidRequest } from '#errors';
import type { IdempotentRequest } from '#idempotency';
import { requesterOf } from './requester.js';

const LONGEST_KEY = 255;

/** Documents the `Idempotency-Key` header of a route whose handler uses `@Idempotent()`. */
export const AcceptsIdempotencyKey = (): MethodDecorator =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'A unique value, such as a UUID, that makes it safe to repeat the request when its answer was lost. Within a minute the same request with the same key and the same credentials, from the same device or address, gets the same answer: no second message is sent, and no second session is created. An error is not repeated.',
    schema: {
      type: 'string',
      pattern: '^[!-~]+$',
      maxLength: LONGEST_KEY,
      examples: ['0197f0c4-6a52-7c3e-9d2c-5a4e1b1c2d3e'],
    },
  });

/** Injects what identifies the request if it has an `Idempotency-Key`; else null. */
export const Idempotent = createParamDecorator((_: unknown, context: ExecutionContext) => {
  return idempotentRequestOf(context.switchToHttp().getRequest<FastifyRequest>());
});

/** @throws InvalidRequest */
function idempotentRequestOf(request: FastifyRequest): IdempotentRequest | null {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key !== 'string' || key.length > LONGEST_KEY || !/^[!-~]+$/.test(key))
    throw new InvalidRequest(
      `\`Idempotency-Key\` must have 1 to ${LONGEST_KEY} visible ASCII characters, such as a UUID`,
    );
  const requester = requesterOf(request);
  const { deviceToken } = requester;
  return {
    key,
    path: request.url.split('?', 1)[0] as string,
    requester: deviceToken === null ? `address ${originOf(requester).client}` : `device ${deviceToken}`,
    credentials: [request.headers.authorization ?? null, ...sessionCookiesOf(request)],
    body: request.body ?? null,
  };
}

function sessionCookiesOf({ cookies }: FastifyRequest): (string | null)[] {
  return SESSION_COOKIES.map((name) => cookies[name] ?? null);
}
