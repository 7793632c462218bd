import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * Returns true for a host that is always this machine: an address, also with the brackets of a URL, or a name that no
 * server of the DNS may answer for (RFC 6761, section 6.3).
 */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) > 0) return ipaddr.process(address).range() === 'loopback';
  return /^(?:.+\.)?localhost$/i.test(host);
}
