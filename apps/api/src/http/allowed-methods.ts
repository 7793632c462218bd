import type { FastifyInstance, FastifyRequest } from 'fastify';
import createRouter, { type HTTPMethod } from 'find-my-way';

/** Methods that routes may have. Fastify adds HEAD to every GET route. */
const METHODS: HTTPMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

declare module 'fastify' {
  interface FastifyInstance {
    knownRoutes: ReturnType<typeof createRouter>;
  }
}

/** Records every route in a second router, because Fastify cannot list the methods of a URL. */
export function rememberRoutes(fastify: FastifyInstance): void {
  const router = createRouter({ maxParamLength: 1_000 });
  fastify.decorate('knownRoutes', router);
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat() as HTTPMethod[]) {
      if (!router.hasRoute(each, url)) router.on(each, url, () => {});
    }
  });
}

/** Returns the methods of the route if the request uses another one. Empty if there is no such route. */
export function allowedMethods(request: FastifyRequest): readonly string[] {
  const { knownRoutes } = request.server;
  const known: string[] = METHODS.filter((method) => knownRoutes.find(method, request.url) !== null);
  return known.includes(request.method) ? [] : known;
}
