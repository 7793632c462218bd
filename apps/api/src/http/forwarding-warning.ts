import type { FastifyInstance, RawServerDefault } from 'fastify';

const HEADERS = ['x-forwarded-for', 'forwarded', 'x-real-ip'] as const;
const INTERVAL_MS = 60_000;

/**
 * Warns, at most once a minute, of requests that name their client in a header although they do not come from a trusted
 * proxy: behind such a proxy all clients share its address, and with it the limits of one address.
 */
export function warnOfUntrustedProxies(fastify: FastifyInstance<RawServerDefault>): void {
  let nextAt = 0;
  fastify.addHook('onRequest', ({ headers, socket, log }, _reply, done) => {
    const header = HEADERS.find((name) => headers[name] !== undefined);
    const address = socket.remoteAddress;
    if (!header || !address || Date.now() < nextAt || fastify.trustedProxies.includes(address)) return done();
    nextAt = Date.now() + INTERVAL_MS;
    log.warn(
      { event: 'untrusted_proxy', address, header },
      `ignored ${header} from ${address}, which is not in TRUSTED_PROXIES: if it is your proxy, all its clients count as one address`,
    );
    done();
  });
}
