import { hash } from 'node:crypto';
import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

const ENTITY_TAG = '"r2iVpQZ0f3n5l8uYxT7bWg"';

/** For the `headers` of an `ApiResponse`. */
export const ETAG_HEADER = {
  description: 'Identifies this state of the resource.',
  schema: { type: 'string', examples: [ENTITY_TAG] },
} as const;

/** Documents `taggedUnlessKnown` (RFC 9110, section 13.1.2). For GET routes. */
export function ConditionalGet(): MethodDecorator {
  return applyDecorators(
    ApiHeader({
      name: 'If-None-Match',
      required: false,
      description: 'The `ETag` of an earlier answer.',
      schema: { type: 'string', examples: [ENTITY_TAG] },
    }),
    ApiResponse({ status: 304, description: 'Nothing has changed since the answer with this `ETag`.' }),
  );
}

/** Returns the tag of a body (RFC 9110, section 8.8.3). */
export function entityTagOf(body: object): string {
  return `"${hash('sha256', JSON.stringify(body), 'base64url').slice(0, 22)}"`;
}

/** Sets `ETag`, the tag of the body. Returns the body. */
export function tagged<T extends object>(reply: FastifyReply, body: T): T {
  reply.header('etag', entityTagOf(body));
  return body;
}

/**
 * Sets `ETag` as `tagged` does, and answers 304 without the body if the client has it.
 *
 * @param known the `If-None-Match` of the request.
 */
export function taggedUnlessKnown<T extends object>(
  reply: FastifyReply,
  known: string | undefined,
  body: T,
): T | undefined {
  tagged(reply, body);
  if (reply.getHeader('etag') !== known) return body;
  reply.code(304);
  return undefined;
}
