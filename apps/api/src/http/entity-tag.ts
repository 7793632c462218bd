import { hash } from 'node:crypto';
import {
  applyDecorators,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';

const ENTITY_TAG = '"r2iVpQZ0f3n5l8uYxT7bWg"';

/** For the `headers` of an `ApiResponse`. */
export const ETAG_HEADER = {
  description: 'Identifies this state of the resource.',
  schema: { type: 'string', examples: [ENTITY_TAG] },
} as const;

/** Sets `ETag`, the tag of the answer's body. */
export const EntityTag = (): MethodDecorator => UseInterceptors(EntityTagInterceptor);

/** Sets `ETag`, and answers 304 when `If-None-Match` is the same tag (RFC 9110, section 13.1.2). For GET routes. */
export function ConditionalGet(): MethodDecorator {
  return applyDecorators(
    UseInterceptors(NotModifiedInterceptor, EntityTagInterceptor),
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

class EntityTagInterceptor implements NestInterceptor<object, object> {
  intercept(context: ExecutionContext, next: CallHandler<object>): Observable<object> {
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(
      map((body) => {
        reply.header('etag', entityTagOf(body));
        return body;
      }),
    );
  }
}

class NotModifiedInterceptor implements NestInterceptor<object, object | undefined> {
  intercept(context: ExecutionContext, next: CallHandler<object>): Observable<object | undefined> {
    const http = context.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const known = http.getRequest<FastifyRequest>().headers['if-none-match'];
    return next.handle().pipe(
      map((body) => {
        if (reply.getHeader('etag') !== known) return body;
        reply.code(304);
        return undefined;
      }),
    );
  }
}
