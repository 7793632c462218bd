import type { FastifyInstance, FastifyRequest } from 'fastify';
import createRouter, { type HTTPMethod } from 'find-my-way';

/** Methods that routes may have. Fastify adds HEAD to every GET route. */
const METHODS: HTTPMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

declare module 'fastify' {
  interface FastifyInstance {
    knownRoutes: ReturnType<typeof createRouter>;
  }
}

/** The routes at one URL. */
export interface RoutesAt {
  /** The pattern of the URL, such as `/v1/verifications/:id`. Null if there is no route. */
  readonly pattern: string | null;
  readonly methods: readonly string[];
}

/** Records every route in a second router, because Fastify cannot list the methods of a URL. */
export function rememberRoutes(fastify: FastifyInstance): void {
  const router = createRouter({ maxParamLength: 1_000 });
  fastify.decorate('knownRoutes', router);
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat() as HTTPMethod[]) {
      // CORS has a route for OPTIONS at any URL.
      if (METHODS.includes(each) && !router.hasRoute(each, url)) router.on(each, url, () => {}, { url });
    }
  });
}

export function routesAt({ server, url }: FastifyRequest): RoutesAt {
  const found = METHODS.flatMap((method) => {
    const route = server.knownRoutes.find(method, url);
    return route === null ? [] : [{ method, pattern: (route.store as { url: string }).url }];
  });
  return { pattern: found[0]?.pattern ?? null, methods: found.map(({ method }) => method) };
}

/** Returns the methods of the route if the request uses another one. Empty if there is no such route. */
export function allowedMethods(request: FastifyRequest): readonly string[] {
  const { methods } = routesAt(request);
  return methods.includes(request.method) ? [] : methods;
}

/** Returns the pattern of the request's own route. Null without one, and for OPTIONS, which no route of the API has. */
export function patternOf({ method, routeOptions }: FastifyRequest): string | null {
  return method === 'OPTIONS' ? null : (routeOptions.url ?? null);
}
