import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import fastifyCookie from '@fastify/cookie';
import { NotFoundException } from '@nestjs/common';
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RawServerDefault,
} from 'fastify';
import type { AppConfig } from '#config';
import { InvalidRequest, PROBLEMS } from '#errors';
import { type LogContext, newLogContext, runInLogContext } from '#logging';
import { goErrorOf, withoutExtraSlashes } from '../sign-up/go-client.js';
import { rememberRoutes } from './allowed-methods.js';
import { acceptBodies } from './bodies.js';
import type { Exchange, Handler } from './connection.js';
import { CrossOrigin } from './cross-origin.js';
import { HandlerTimeout } from './handler-timeout.js';
import { createHttpServer, type HttpServerConfig } from './http-server.js';
import { acceptImages } from './image-upload.js';
import { inheritedNamesIn } from './inherited-names.js';
import { ProblemFilter } from './problem.filter.js';
import { problemBody, problemHeaders, problemOf } from './problem.js';
import { addressOf } from './requester.js';
import { TrustedProxies } from './trusted-proxies.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Names the request in every line that is logged while it is answered. */
    logContext?: LogContext;
  }
}

const BODY_LIMIT = 16 * 1_024;

/** The time that a client has to read why its connection ends. */
const LINGER_MS = 1_000;

/** A host and an optional port (RFC 3986, section 3.2). */
const HOST = /^[\w.~!$&'()*+,;=%[\]:-]*$/;

declare module 'fastify' {
  interface FastifyInstance {
    trustedProxies: TrustedProxies;
  }
}

const COMMON_HEADERS = {
  'cache-control': 'no-store',
  vary: 'Authorization',
  'x-content-type-options': 'nosniff',
};

/** Fastify options: time and size limits, request ids, and problem answers for requests that Fastify cannot parse. */
export function serverOptions(config: HttpServerConfig & Pick<AppConfig, 'publicUrl' | 'allowedOrigins'>) {
  const { publicUrl } = config;
  const filter = new ProblemFilter(publicUrl);
  /** The newest request of a connection, which Fastify may still be reading, and its response. */
  const begun = new WeakMap<Socket, Exchange>();
  const crossOrigin = new CrossOrigin(config.allowedOrigins);
  return {
    bodyLimit: BODY_LIMIT,
    serverFactory: (handler: Handler) => {
      const handleAndRemember: Handler = (request, response) => {
        begun.set(request.socket, [request, response]);
        handler(request, response);
      };
      return createHttpServer(handleAndRemember, config);
    },
    rewriteUrl: ({ url = '/' }: IncomingMessage) => withoutExtraSlashes(url),
    // Requests that were accepted before the server closed are answered. Their connections close after that.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1_000 },
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false as const,
    genReqId: (request: { headers: NodeJS.Dict<string | string[]> }) =>
      requestIdOf(request.headers['x-request-id']),
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      setCommonHeaders(request, reply);
      crossOrigin.addHeaders(request, reply);
      filter.answer(error, request, reply);
    },
    clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) =>
      refuseConnection(error, socket, publicUrl, begun.get(socket)),
  };
}

/** Adds hooks and body parsers. Call before Nest adds its routes. */
export function prepareFastify(
  fastify: FastifyInstance<RawServerDefault>,
  {
    trustedProxies,
    allowedOrigins,
    publicUrl,
  }: Pick<AppConfig, 'trustedProxies' | 'allowedOrigins' | 'publicUrl'>,
): void {
  fastify.decorate('trustedProxies', new TrustedProxies(trustedProxies));
  rememberRoutes(fastify);
  openLogContexts(fastify);
  new HandlerTimeout(new ProblemFilter(publicUrl)).register(fastify);
  fastify.addHook('onRequest', (request, reply, done) => {
    setCommonHeaders(request, reply);
    done();
  });
  // Before any request is refused: a page could not read why.
  new CrossOrigin(allowedOrigins).register(fastify);
  fastify.addHook('onRequest', (request, reply, done) => {
    // Before a body is read: it could be refused for its form, which says nothing about the missing route.
    if (request.is404) throw new NotFoundException();
    // CORS has a route for OPTIONS at any URL, which answers preflight requests only.
    if (request.method === 'OPTIONS') {
      reply.callNotFound();
      return;
    }
    refuseFaultyHost(request);
    refuseInheritedNames(request);
    done();
  });
  fastify.register(fastifyCookie);
  ignoreUnknownExpectations(fastify);
  acceptBodies(fastify);
  acceptImages(fastify);
}

/** The body is read between the two hooks, by events of the socket, which leave the context. */
function openLogContexts(fastify: FastifyInstance<RawServerDefault>): void {
  fastify.addHook('onRequest', (request, _reply, done) => {
    const context = newLogContext({ reqId: request.id }, () => addressOf(request));
    request.logContext = context;
    runInLogContext(context, done);
  });
  fastify.addHook('preValidation', ({ logContext }, _reply, done) =>
    logContext ? runInLogContext(logContext, done) : done(),
  );
}

/** Keeps a valid id, so that a request has the same id on several servers. Replaces anything else. */
function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.~-]{1,64}$/.test(header) ? header : randomUUID();
}

function setCommonHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ 'x-request-id': request.id, ...COMMON_HEADERS });
}

/** RFC 9112, section 3.2. Node rejects a request without Host too, but without a problem document. */
function refuseFaultyHost({ raw, headers }: FastifyRequest): void {
  if (headers.host === undefined) {
    if (raw.httpVersion === '1.1') throw new InvalidRequest('the Host header is missing');
    return;
  }
  const { rawHeaders } = raw;
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts > 1) throw new InvalidRequest('the request has more than one Host header');
  if (!HOST.test(headers.host)) throw new InvalidRequest('the Host header is not a host and port');
}

/** No route has a parameter with the name of a member that every object inherits. */
function refuseInheritedNames({ query, routeOptions }: FastifyRequest): void {
  if (routeOptions.url === undefined) return;
  const faults = inheritedNamesIn(query as object);
  if (faults.length > 0) throw new InvalidRequest('the query has unknown parameters', faults);
}

/** RFC 9110, section 10.1.1, allows a server to ignore them. Node would reject the request without a problem document. */
function ignoreUnknownExpectations({ server }: FastifyInstance<RawServerDefault>): void {
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}

/**
 * Fastify has not seen this request, or waits for its body, so the response is written to the socket directly.
 *
 * @param begun the last request whose headers have arrived, and its response.
 */
function refuseConnection(
  error: NodeJS.ErrnoException,
  socket: Socket,
  publicUrl: string | null,
  [begun, response]: Exchange | [] = [],
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  // The rest of a request that was refused already. Another answer would belong to no request.
  if (begun?.complete === false && response?.headersSent) return void socket.destroySoon();
  const statusCode = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ''] ?? 400;
  const problem = problemOf({ statusCode });
  const requestId = randomUUID();
  // A request that is complete is not the one that failed.
  const url = begun?.complete === false ? (begun.url ?? '') : '';
  const goError = goErrorOf(null, PROBLEMS[problem.code].title, { url });
  const place = { publicUrl: publicUrl ?? `http://localhost:${socket.localPort}`, requestId, goError };
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
  // The client may go on sending, and never close its side.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
