// Adapters for web frameworks. The types describe the parts that are used, so that none of the frameworks is needed here.
import { authenticate, type Refusal } from './authenticate.js';
import type { Identity, Verifier } from './identity.js';

interface IncomingRequest {
  readonly headers: { readonly authorization?: string };
}

/** A response of Node's HTTP server, as Express and Connect have it. */
interface NodeResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
}

interface FastifyReply {
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  send(body: string): unknown;
}

interface NestContext {
  switchToHttp(): {
    getRequest<T>(): T;
    getResponse<T>(): T;
  };
}

/** Sets a header in Express as in Fastify. */
interface AnyResponse {
  header(name: string, value: string): unknown;
}

const identities = new WeakMap<object, Identity>();

/** Returns who sent a request that one of the functions below let through. Throws for any other request. */
export function identityOf(request: object): Identity {
  const identity = identities.get(request);
  if (!identity) throw new Error('this route has no authentication of Latchkey before it');
  return identity;
}

/** Returns middleware for Express: `app.use('/orders', expressAuth(verify))`. */
export function expressAuth(verify: Verifier) {
  return async (request: IncomingRequest, response: NodeResponse, next: (error?: unknown) => void) => {
    try {
      const refusal = await admit(request, verify);
      if (!refusal) return next();
      response.statusCode = refusal.status;
      for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
      response.end(JSON.stringify(refusal.body));
    } catch (error) {
      next(error);
    }
  };
}

/** Returns a hook for Fastify: `app.addHook('onRequest', fastifyAuth(verify))`, or as `onRequest` of a route. */
export function fastifyAuth(verify: Verifier) {
  return async (request: IncomingRequest, reply: FastifyReply): Promise<unknown> => {
    const refusal = await admit(request, verify);
    if (!refusal) return;
    reply.code(refusal.status);
    for (const [name, value] of Object.entries(refusal.headers)) reply.header(name, value);
    reply.send(JSON.stringify(refusal.body));
    return reply;
  };
}

/** Nest's HttpException. Its filter answers any other error with 500 and logs it. */
type HttpExceptionClass = new (body: Record<string, unknown>, status: number) => Error;

/** Returns a guard for Nest, on Express or Fastify: `@UseGuards(nestAuth(verify, HttpException))`. */
export function nestAuth(verify: Verifier, HttpException: HttpExceptionClass) {
  return {
    async canActivate(context: NestContext): Promise<boolean> {
      const http = context.switchToHttp();
      const refusal = await admit(http.getRequest<IncomingRequest>(), verify);
      if (!refusal) return true;
      const response = http.getResponse<AnyResponse>();
      for (const [name, value] of Object.entries(refusal.headers)) response.header(name, value);
      throw new HttpException({ ...refusal.body }, refusal.status);
    },
  };
}

/** Remembers the identity of a request, or returns its refusal. */
async function admit(request: IncomingRequest, verify: Verifier): Promise<Refusal | null> {
  const decision = await authenticate(request.headers.authorization, verify);
  if ('refusal' in decision) return decision.refusal;
  identities.set(request, decision.identity);
  return null;
}
