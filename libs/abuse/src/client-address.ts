import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Who asks, as far as the network tells: one client, and the network it is in. */
export interface ClientAddress {
  /** An IPv4 address, or an IPv6 /64: what one subscriber has. */
  readonly client: string;
  /** The IPv4 /24 or the IPv6 /48 around it. */
  readonly network: string;
}

/** Whatever is no address (a local socket has none) is one client together. */
const UNKNOWN: ClientAddress = { client: 'unknown', network: 'unknown' };

/** Reads an IP address; an IPv4 address in IPv6 clothes (RFC 4291, section 2.5.5.2) is an IPv4 address. */
export function clientAddressOf(text: string): ClientAddress {
  // The library also reads what no peer is called: "42", "010.1.1.1".
  if (isIP(text) === 0 || !ipaddr.isValid(text)) return UNKNOWN;
  const address = ipaddr.process(text);
  if (address.kind() === 'ipv4') return { client: address.toString(), network: prefixOf(address, 24) };
  return { client: prefixOf(address, 64), network: prefixOf(address, 48) };
}

function prefixOf(address: ipaddr.IPv4 | ipaddr.IPv6, length: number): string {
  const bytes = address.toByteArray().map((byte, i) => byte & mask(length - i * 8));
  return `${ipaddr.fromByteArray(bytes).toString()}/${length}`;
}

/** Of one byte: its first bits, as many as are asked for. */
function mask(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : 0xff & (0xff << (8 - bits));
}
