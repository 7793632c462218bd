import { createServer, type Server, type ServerOptions } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import type { AppConfig } from '#config';
import type { Handler } from './connection.js';
import { Connections } from './connections.js';
import { TrustedProxies } from './trusted-proxies.js';

/** The time for a complete request. */
const READ_TIMEOUT_MS = 10_000;

/** Interval at which Node checks for requests that arrive too slowly. */
const CHECK_SLOW_REQUESTS_MS = 1_000;

/** The longest that a connection is silent: longer than the time limit of a handler, which answers 503. */
const SILENCE_TIMEOUT_MS = 40_000;

/** Turns of the event loop before the server closes, in which it accepts what waits. */
const QUIET_TURNS = 5;
const MAX_TURNS = 1_000;

export type HttpServerConfig = Pick<
  AppConfig,
  'keepAliveTimeoutMs' | 'maxConnections' | 'maxConnectionsPerAddress' | 'trustedProxies'
>;

/** Creates the server below Fastify: time limits, limits on connections, and one request at a time on each of them. */
export function createHttpServer(handler: Handler, config: HttpServerConfig): Server {
  const connections = new Connections(config, new TrustedProxies(config.trustedProxies), handler);
  const options: ServerOptions = {
    requestTimeout: READ_TIMEOUT_MS,
    // Node swaps the two timeouts if this one is longer than the request timeout, as it is by default.
    headersTimeout: READ_TIMEOUT_MS,
    connectionsCheckingInterval: CHECK_SLOW_REQUESTS_MS,
    keepAliveTimeout: config.keepAliveTimeoutMs,
    requireHostHeader: false,
  };
  const server = createServer(options, (request, response) => connections.handle(request, response))
    .setTimeout(SILENCE_TIMEOUT_MS)
    .on('connection', (socket) => connections.accept(socket))
    .on('close', () => connections.stop());
  closeGently(server, connections);
  return server;
}

/**
 * Closes without resetting connections that have a request on its way: those that the operating system has established
 * but Node has not accepted (it accepts one in a turn of its event loop), and accepted ones before their first request.
 */
function closeGently(server: Server, connections: Connections): void {
  const close = server.close.bind(server);
  server.closeIdleConnections = () => connections.closeIdle();
  server.close = (callback) => {
    void acceptWaiting(server).then(() => close(callback));
    return server;
  };
}

/** Resolves after a few turns of the event loop in which no connection was accepted. */
async function acceptWaiting(server: Server): Promise<void> {
  let quiet = 0;
  const accepted = () => {
    quiet = 0;
  };
  server.on('connection', accepted);
  for (let i = 0; i < MAX_TURNS && quiet < QUIET_TURNS; i += 1) {
    quiet += 1;
    await setImmediate();
  }
  server.off('connection', accepted);
}
