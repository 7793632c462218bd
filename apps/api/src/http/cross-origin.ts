import fastifyCors, { type FastifyCorsOptions } from '@fastify/cors';
import type { FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import { type AppConfig, originMatcher } from '#config';
import { patternOf, routesAt } from './allowed-methods.js';
import { addVary } from './vary.js';

/** The routes that pages call. All others are for operators, services, proxies and developers. */
const FOR_PAGES =
  /^\/(signup|protected|problems|\.well-known|v1\/(verifications|me|session|sessions|devices|avatars))(\/|$)/;

/** The headers that the API reads. */
const READ_HEADERS = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Accept-Language',
  'X-Request-Id',
];

/** The headers of answers that pages may read, in addition to those that browsers always show. */
const EXPOSED_HEADERS = ['Retry-After', 'Location', 'ETag', 'X-Request-Id', 'WWW-Authenticate'];

/** The time for which a browser asks no more about a route. */
const PREFLIGHT_SECONDS = 600;

/** Lets pages of the configured origins call the API (https://fetch.spec.whatwg.org/#http-cors-protocol). */
export class CrossOrigin {
  private readonly allows: ReturnType<typeof originMatcher>;

  constructor(private readonly allowed: AppConfig['allowedOrigins']) {
    this.allows = originMatcher(allowed.patterns);
  }

  /** Adds the headers to every answer, errors too, and answers preflight requests. Does nothing if no origin is allowed. */
  register(fastify: FastifyInstance<RawServerDefault>): void {
    if (this.allowed.patterns.length === 0) return;
    fastify.register(fastifyCors, {
      delegator: (request: FastifyRequest, done) => done(null, this.optionsFor(request)),
    });
  }

  /** Adds the headers to the answer of a request that no hook sees, because Fastify cannot read its URL. */
  addHeaders(request: FastifyRequest, reply: FastifyReply): void {
    if (this.allowed.patterns.length === 0) return;
    addVary(reply, 'Origin');
    const { origin } = request.headers;
    if (origin === undefined || !this.allows(origin)) return;
    reply.headers({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': EXPOSED_HEADERS.join(', '),
      ...(this.allowed.credentials && { 'access-control-allow-credentials': 'true' }),
    });
  }

  private optionsFor(request: FastifyRequest): FastifyCorsOptions {
    const { origin } = request.headers;
    if (origin === undefined || !this.allows(origin)) return { origin: false };
    const own = patternOf(request);
    const { pattern, methods } = own === null ? routesAt(request) : { pattern: own, methods: [] };
    if (pattern !== null && !FOR_PAGES.test(pattern)) return { origin: false };
    return {
      origin,
      credentials: this.allowed.credentials,
      exposedHeaders: EXPOSED_HEADERS,
      // Without a route, and without the header of a preflight request, OPTIONS is a method like any other.
      preflight: methods.length > 0 && request.headers['access-control-request-method'] !== undefined,
      methods: [...methods],
      allowedHeaders: READ_HEADERS,
      maxAge: PREFLIGHT_SECONDS,
    };
  }
}
