import type { Agent } from 'node:http';
import { useAgent } from 'request-filtering-agent';

/** Azure's metadata server: a public address that is reachable only inside Azure. */
const METADATA_ADDRESSES = ['168.63.129.16'];

interface AgentOptions {
  /** True: also connects to private, loopback and link-local addresses. */
  readonly allowPrivate: boolean;
  readonly maxSockets: number;
  /** The lifetime of an idle connection. Shorter than servers use, or a request meets a connection that is being closed. */
  readonly idleMs: number;
}

/**
 * Returns an agent that checks each address after the look-up and before the connection, which prevents DNS rebinding: see
 * docs/decisions/0025.
 */
export function filteredAgent(url: string, { allowPrivate, maxSockets, idleMs }: AgentOptions): Agent {
  return useAgent(url, {
    keepAlive: true,
    maxSockets,
    maxFreeSockets: maxSockets,
    timeout: idleMs,
    allowPrivateIPAddress: allowPrivate,
    allowMetaIPAddress: allowPrivate,
    denyIPAddressList: allowPrivate ? [] : METADATA_ADDRESSES,
  });
}

/** Recognizes the agent's refusal by its text, because it has no code. */
export function isForbiddenAddress({ message }: Error): boolean {
  return /^DNS lookup .* is not allowed/.test(message);
}
