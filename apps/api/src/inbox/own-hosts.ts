import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { isLoopback } from '#config';

/**
 * Returns true if a Host header names this machine or one of the own hosts, with any port. A browser sends the name that
 * its page came from, so a page whose name was pointed at this server afterwards (DNS rebinding) is refused.
 *
 * @param own names and IP addresses, without ports.
 */
export function isOwnHost(header: string | undefined, own: readonly string[]): boolean {
  const host = hostIn(header);
  if (host === null) return false;
  return isLoopback(host) || own.some((name) => canonical(name) === host);
}

/** Returns the host of a header in its canonical form, or null if the header is not a host with an optional port. */
function hostIn(header = ''): string | null {
  const url = `http://${header}/`;
  return /^[^\s@/?#\\,]+$/.test(header) && URL.canParse(url) ? canonical(new URL(url).hostname) : null;
}

function canonical(host: string): string {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) > 0) return ipaddr.process(address).toString();
  return host.toLowerCase().replace(/\.$/, '');
}
