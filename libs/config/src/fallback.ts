import { parseDurationMs } from './duration.js';
import { CHANNELS, type Channel, PROVIDERS, type ProviderName } from './route.js';

/** A channel and the provider that carries it. */
export interface FallbackRoute {
  readonly channel: Channel;
  /** Null for the default provider of the channel. */
  readonly provider: ProviderName | null;
}

/** The routes in the order they are tried, and the wait for a delivery report before the next one is used. */
export interface FallbackConfig {
  readonly routes: readonly FallbackRoute[];
  readonly waitMs: number;
}

const DEFAULT_WAIT = '20s';
const WAIT_MS = { min: 5_000, max: 300_000 };

/** Reads `sms>sms:http>call@20s`. Returns null for anything else, including a repeated route. */
export function parseFallback(text: string): FallbackConfig | null {
  const [path = '', wait = DEFAULT_WAIT, ...rest] = text.split('@');
  const waitMs = parseDurationMs(wait.trim());
  if (rest.length > 0 || waitMs === null || waitMs < WAIT_MS.min || waitMs > WAIT_MS.max) return null;
  const hops = path.split('>').map((hop) => hop.trim());
  const routes = hops.map(parseRoute).filter((route) => route !== null);
  const isWhole = routes.length === hops.length && new Set(hops).size === hops.length;
  return isWhole && routes.length >= 2 ? { routes, waitMs } : null;
}

function parseRoute(text: string): FallbackRoute | null {
  const [channel, provider = null, ...rest] = text.split(':');
  if (rest.length > 0 || !isOneOf(CHANNELS, channel)) return null;
  return provider === null || isOneOf(PROVIDERS, provider) ? { channel, provider } : null;
}

function isOneOf<Name extends string>(names: readonly Name[], name: string | undefined): name is Name {
  return names.some((known) => known === name);
}
