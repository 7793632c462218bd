import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';
import type { Requester } from '../requester.js';

/** The origin of a request: one client, and the network it belongs to. */
export interface ClientAddress {
  /** An IPv4 address or an IPv6 /64, which is what one subscriber has. */
  readonly client: string;
  /** The surrounding IPv4 /24 or IPv6 /48. */
  readonly network: string;
  /** Wider networks, which one attacker may have: the IPv4 /16, or the IPv6 /40 and /32. */
  readonly wider: readonly string[];
}

/** All requests without a valid address (from a local socket, for example) count as one client. */
const UNKNOWN: ClientAddress = { client: 'unknown', network: 'unknown', wider: [] };

const API_CLIENT = 'api-client:';

/** A request needs the client of its address several times. */
const CLIENTS = new LRUCache<string, ClientAddress>({ max: 1_000, memoMethod: (text) => parse(text) });

/**
 * Returns what a request is counted for: its address, or the client of the API that sent it for a user whose address it does
 * not state.
 */
export function originOf({ address, apiClient }: Pick<Requester, 'address' | 'apiClient'>): ClientAddress {
  if (!apiClient) return clientAddressOf(address);
  const client = apiClientKey(apiClient);
  return { client, network: client, wider: [] };
}

/** Returns the form in which a client of the API is counted. No address has this form. */
export function apiClientKey(id: string): string {
  return API_CLIENT + id;
}

export function isApiClient({ client }: Pick<ClientAddress, 'client'>): boolean {
  return client.startsWith(API_CLIENT);
}

/** Parses an IP address. An IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2) counts as its IPv4 address. */
export function clientAddressOf(text: string): ClientAddress {
  return CLIENTS.memo(text);
}

function parse(text: string): ClientAddress {
  // ipaddr.js also parses texts that are not the address of a peer, such as "42" and "010.1.1.1".
  if (isIP(text) === 0 || !ipaddr.isValid(text)) return UNKNOWN;
  const address = ipaddr.process(text);
  if (address.kind() === 'ipv4')
    return { client: address.toString(), network: prefixOf(address, 24), wider: [prefixOf(address, 16)] };
  return {
    client: prefixOf(address, 64),
    network: prefixOf(address, 48),
    wider: [prefixOf(address, 40), prefixOf(address, 32)],
  };
}

function prefixOf(address: ipaddr.IPv4 | ipaddr.IPv6, length: number): string {
  const bytes = address.toByteArray().map((byte, i) => byte & maskOf(length - i * 8));
  return `${ipaddr.fromByteArray(bytes).toString()}/${length}`;
}

/** Returns the mask of a byte's first `bits` bits. */
function maskOf(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : 0xff & (0xff << (8 - bits));
}
