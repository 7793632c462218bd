import { isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RawServerDefault,
} from 'fastify';
import { v7 as uuidv7 } from 'uuid';
import type { AppConfig } from '#config';
import { InvalidRequest, PROBLEMS } from '#errors';
import { countRequests } from '../operations/request-metrics.js';
import { rememberRoutes } from './allowed-methods.js';
import { ProblemFilter } from './problem.filter.js';
import { problemBody, problemHeaders, problemOf } from './problem.js';

const BODY_LIMIT = 16 * 1_024;
const READ_TIMEOUT_MS = 10_000;
const WRITE_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 60_000;

/** How often Node looks for requests that take too long to arrive. */
const LOOK_FOR_SLOW_REQUESTS_MS = 1_000;

/** Limits of time and size, and answers for what never becomes a request. */
export function serverOptions({ publicUrl }: Pick<AppConfig, 'publicUrl'>) {
  const filter = new ProblemFilter(publicUrl);
  return {
    bodyLimit: BODY_LIMIT,
    requestTimeout: READ_TIMEOUT_MS,
    handlerTimeout: WRITE_TIMEOUT_MS,
    connectionTimeout: WRITE_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    http: { connectionsCheckingInterval: LOOK_FOR_SLOW_REQUESTS_MS },
    routerOptions: { maxParamLength: 1_000 },
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false as const,
    genReqId: (request: { headers: NodeJS.Dict<string | string[]> }) =>
      requestIdOf(request.headers['x-request-id']),
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      setCommonHeaders(request, reply);
      filter.answer(error, request, reply);
    },
    clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) =>
      refuseConnection(error, socket, publicUrl),
  };
}

/** Before Nest adds its routes. */
export function prepareFastify(fastify: FastifyInstance<RawServerDefault>): void {
  rememberRoutes(fastify);
  fastify.addHook('onRequest', async (request, reply) => setCommonHeaders(request, reply));
  countRequests(fastify);
  acceptJsonOnly(fastify);
}

/** A sane token is kept, so that one id follows a request through several servers; anything else is replaced. */
export function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.~-]{1,64}$/.test(header) ? header : uuidv7();
}

function setCommonHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({
    'x-request-id': request.id,
    'cache-control': 'no-store',
    vary: 'Authorization',
    'x-content-type-options': 'nosniff',
  });
}

function acceptJsonOnly(fastify: FastifyInstance<RawServerDefault>): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    // Many clients label even a missing body as JSON.
    if (body.length === 0) return done(null, undefined);
    if (!isUtf8(body)) return done(new InvalidRequest('the body is not UTF-8 (RFC 8259, section 8.1)'));
    parse(request, body.toString(), (error, value) => {
      if (error) done(new InvalidRequest('the body is not well-formed JSON'));
      else if (!isObject(value)) done(new InvalidRequest('the body must be a JSON object'));
      else done(null, value);
    });
  });
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Nothing of Fastify's has seen this request, so the answer is written by hand. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket, publicUrl: string | null): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const statusCode = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ''] ?? 400;
  const problem = problemOf({ statusCode });
  const requestId = uuidv7();
  const place = { publicUrl: publicUrl ?? `http://localhost:${socket.localPort}`, requestId, path: '' };
  const body = JSON.stringify(problemBody(problem, place));
  const headers = {
    ...problemHeaders(problem),
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
    'cache-control': 'no-store',
    connection: 'close',
  };
  const { status, title } = PROBLEMS[problem.code];
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end([`HTTP/1.1 ${status} ${title}`, ...head, '', body].join('\r\n'));
}
