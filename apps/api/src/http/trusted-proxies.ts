import { BlockList, isIP } from 'node:net';

/** An address as proxies write it: `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1` or `[2001:db8::1]:443`. */
const WITH_PORT = /^(?:\[([\da-fA-F:.]+)\]|([\d.]+))(?::\d{1,5})?$/;

/** The proxies whose forwarding headers are believed (`TRUSTED_PROXIES`). */
export class TrustedProxies {
  private readonly networks = new BlockList();

  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', length] = network.trim().split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (length === undefined) this.networks.addAddress(address, family);
      else this.networks.addSubnet(address, Number(length), family);
    }
  }

  includes(text: string): boolean {
    const address = withoutZone(text);
    const family = isIP(address);
    return family !== 0 && this.networks.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }

  /**
   * Returns the address of the client: the first one from the right that is not a trusted proxy. If a proxy forwards
   * text that is not an address, the proxy itself is the client.
   *
   * @param peer the other end of the connection
   * @param forwardedFor `X-Forwarded-For`
   */
  clientOf(peer: string, forwardedFor: string | undefined): string {
    const hops = forwardedFor?.split(',') ?? [];
    let client = peer;
    while (hops.length > 0 && this.includes(client)) {
      const next = addressIn(hops.pop() as string);
      if (next === null) return client;
      client = next;
    }
    return client;
  }

  /** Returns whether a trusted proxy reports that the client uses TLS (`X-Forwarded-Proto`). */
  reportsTls(peer: string, forwardedProto: string | undefined): boolean {
    const schemes = forwardedProto?.toLowerCase().split(',') ?? [];
    return this.includes(peer) && schemes.some((scheme) => scheme.trim() === 'https');
  }
}

/** Returns the address without its port and brackets. Null: the text is not an address. */
function addressIn(text: string): string | null {
  const hop = text.trim().replace(/^"(.*)"$/, '$1');
  const [, bracketed, plain] = WITH_PORT.exec(hop) ?? [];
  const address = bracketed ?? plain ?? hop;
  return isIP(address) === 0 ? null : withoutZone(address);
}

/** The zone of a link-local address (RFC 4007, section 11) has no meaning outside of its host. */
function withoutZone(address: string): string {
  return address.replace(/%.*$/, '');
}
