import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** An `AbortSignal` that fires when the client disconnects. */
export const RequestSignal = createParamDecorator((_: unknown, context: ExecutionContext): AbortSignal => {
  return context.switchToHttp().getRequest<FastifyRequest>().signal;
});
