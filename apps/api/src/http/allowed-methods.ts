import type { FastifyInstance, FastifyRequest } from 'fastify';
import createRouter, { type HTTPMethod } from 'find-my-way';

/** The methods worth asking for; HEAD comes with GET. */
const METHODS: HTTPMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

declare module 'fastify' {
  interface FastifyInstance {
    knownRoutes: ReturnType<typeof createRouter>;
  }
}

/** Fastify does not tell which methods an address has, so the routes are remembered in a router of the same kind. */
export function rememberRoutes(fastify: FastifyInstance): void {
  const router = createRouter({ maxParamLength: 1_000 });
  fastify.decorate('knownRoutes', router);
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat() as HTTPMethod[]) {
      if (!router.hasRoute(each, url)) router.on(each, url, () => {});
    }
  });
}

/** The methods to use instead; none when there is no such address, or when the method was not what is wrong. */
export function allowedMethods(request: FastifyRequest): readonly string[] {
  const { knownRoutes } = request.server;
  const known: string[] = METHODS.filter((method) => knownRoutes.find(method, request.url) !== null);
  return known.includes(request.method) ? [] : known;
}
