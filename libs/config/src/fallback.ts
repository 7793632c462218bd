import { parseDurationMs } from './duration.js';

/** The ways a code can travel. */
export const CHANNELS = ['sms', 'whatsapp', 'call'] as const;
export type Channel = (typeof CHANNELS)[number];

/** Who carries messages. */
export const SENDERS = ['twilio', 'http', 'inbox'] as const;
export type SenderName = (typeof SENDERS)[number];

/** One way a code can take. */
export interface Route {
  readonly channel: Channel;
  /** Null: whoever usually carries messages of the channel. */
  readonly sender: SenderName | null;
}

/** The ways a code takes one after another, and how long the first is waited for. */
export interface FallbackConfig {
  readonly routes: readonly Route[];
  readonly waitMs: number;
}

const USUAL_WAIT = '20s';
const WAIT_MS = { min: 5_000, max: 300_000 };

/** Reads `sms>sms:http>call@20s`; null for anything else, and for routes that come twice. */
export function parseFallback(text: string): FallbackConfig | null {
  const [path = '', wait = USUAL_WAIT, ...rest] = text.split('@');
  const waitMs = parseDurationMs(wait);
  if (rest.length > 0 || waitMs === null || waitMs < WAIT_MS.min || waitMs > WAIT_MS.max) return null;
  const hops = path.split('>').map((hop) => hop.trim());
  const routes = hops.map(parseRoute);
  if (routes.includes(null) || routes.length < 2 || new Set(hops).size < hops.length) return null;
  return { routes: routes as Route[], waitMs };
}

function parseRoute(text: string): Route | null {
  const [channel, sender = null, ...rest] = text.split(':');
  const isKnown = oneOf(CHANNELS, channel) && (sender === null || oneOf(SENDERS, sender));
  return isKnown && rest.length === 0 ? ({ channel, sender } as Route) : null;
}

function oneOf(names: readonly string[], name: string | undefined): boolean {
  return name !== undefined && names.includes(name);
}
