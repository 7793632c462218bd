import type { Socket } from 'node:net';
import fastifyCookie from '@fastify/cookie';
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
import { rememberRoutes } from './allowed-methods.js';
import { acceptBodies } from './bodies.js';
import { ProblemFilter } from './problem.filter.js';
import { problemBody, problemHeaders, problemOf } from './problem.js';

const BODY_LIMIT = 16 * 1_024;
const READ_TIMEOUT_MS = 10_000;
const WRITE_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 60_000;

/** Interval at which Node checks for requests that arrive too slowly. */
const CHECK_SLOW_REQUESTS_MS = 1_000;

const COMMON_HEADERS = {
  'cache-control': 'no-store',
  vary: 'Authorization',
  'x-content-type-options': 'nosniff',
};

/** Fastify options: time and size limits, request ids, and problem answers for requests that Fastify cannot parse. */
export function serverOptions({
  publicUrl,
  trustedProxies,
}: Pick<AppConfig, 'publicUrl' | 'trustedProxies'>) {
  const filter = new ProblemFilter(publicUrl);
  return {
    bodyLimit: BODY_LIMIT,
    // `X-Forwarded-For` is read from right to left: the first address that is not a trusted proxy is the client.
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    requestTimeout: READ_TIMEOUT_MS,
    handlerTimeout: WRITE_TIMEOUT_MS,
    connectionTimeout: WRITE_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    http: {
      connectionsCheckingInterval: CHECK_SLOW_REQUESTS_MS,
      // Node swaps the two timeouts if this one is longer than the request timeout, as it is by default.
      headersTimeout: READ_TIMEOUT_MS,
      requireHostHeader: false,
    },
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

/** Adds hooks and body parsers. Call before Nest adds its routes. */
export function prepareFastify(fastify: FastifyInstance<RawServerDefault>): void {
  rememberRoutes(fastify);
  fastify.addHook('onRequest', async (request, reply) => {
    setCommonHeaders(request, reply);
    refuseWithoutHost(request);
  });
  fastify.register(fastifyCookie);
  ignoreUnknownExpectations(fastify);
  acceptBodies(fastify);
}

/** Keeps a valid id, so that a request has the same id on several servers. Replaces anything else. */
function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.~-]{1,64}$/.test(header) ? header : uuidv7();
}

function setCommonHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ 'x-request-id': request.id, ...COMMON_HEADERS });
}

/** Rejects a request without Host (RFC 9112, section 3.2). Node would reject it too, but without a problem document. */
function refuseWithoutHost({ raw, headers }: FastifyRequest): void {
  if (raw.httpVersion === '1.1' && headers.host === undefined)
    throw new InvalidRequest('the Host header is missing');
}

/** RFC 9110, section 10.1.1, allows a server to ignore them. Node would reject the request without a problem document. */
function ignoreUnknownExpectations({ server }: FastifyInstance<RawServerDefault>): void {
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}

/** Fastify has not seen this request, so the response is written to the socket directly. */
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
    ...COMMON_HEADERS,
    connection: 'close',
  };
  const { status, title } = PROBLEMS[problem.code];
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end([`HTTP/1.1 ${status} ${title}`, ...head, '', body].join('\r\n'));
}
