import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { type Observable, tap } from 'rxjs';
import { entityTagOf } from './entity-tag.js';
import { PublicPath } from './public-path.js';

/** For the `headers` of an `ApiResponse`. */
export const LOCATION_HEADER = {
  description: 'The path of the new resource.',
  schema: { type: 'string', examples: ['/v1/verifications/q0b7ZnG2S1mXw9cY4rT5uA'] },
} as const;

/** Sets `Location` to the resource that the handler returns, and its `ETag`. `pathOf` returns the path of its route. */
export function CreatesAt<T extends object>(pathOf: (body: T) => string): MethodDecorator {
  @Injectable()
  class LocationInterceptor implements NestInterceptor<T, T> {
    constructor(private readonly publicPath: PublicPath) {}

    intercept(context: ExecutionContext, next: CallHandler<T>): Observable<T> {
      const reply = context.switchToHttp().getResponse<FastifyReply>();
      const setHeaders = (body: T) =>
        reply.headers({ location: this.publicPath.of(pathOf(body)), etag: entityTagOf(body) });
      return next.handle().pipe(tap(setHeaders));
    }
  }
  return UseInterceptors(LocationInterceptor);
}
