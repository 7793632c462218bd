import {
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { type Observable, tap } from 'rxjs';

/** For the `headers` of an `ApiResponse`. */
export const LOCATION_HEADER = {
  description: 'The path of the new resource.',
  schema: { type: 'string' },
} as const;

/** Sets `Location` to the path of the resource that the handler returns. */
export function CreatesAt<T>(pathOf: (body: T) => string): MethodDecorator {
  return UseInterceptors(new LocationInterceptor(pathOf));
}

class LocationInterceptor<T> implements NestInterceptor<T, T> {
  constructor(private readonly pathOf: (body: T) => string) {}

  intercept(context: ExecutionContext, next: CallHandler<T>): Observable<T> {
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(tap((body) => reply.header('location', this.pathOf(body))));
  }
}
