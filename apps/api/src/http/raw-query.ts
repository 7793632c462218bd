import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** The query string as received, with its question mark. A signature covers the exact bytes. */
export const RawQuery = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { url, routeOptions } = context.switchToHttp().getRequest<FastifyRequest>();
  return url.slice(routeOptions.url?.length);
});
