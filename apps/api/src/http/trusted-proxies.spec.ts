import { TrustedProxies } from './trusted-proxies.js';

describe('TrustedProxies', () => {
  const proxies = new TrustedProxies(['127.0.0.1', '10.0.0.0/8', '2001:db8:ffff::/48']);

  it.each([
    ['no header', undefined, '127.0.0.1'],
    ['an empty header', '', '127.0.0.1'],
    ['an IPv4 address', '198.51.100.1', '198.51.100.1'],
    ['an IPv4 address and a port', '198.51.100.1:51123', '198.51.100.1'],
    ['an IPv6 address', '2001:db8::1', '2001:db8::1'],
    ['an IPv6 address in brackets', '[2001:db8::1]', '2001:db8::1'],
    ['an IPv6 address and a port', '[2001:db8::1]:443', '2001:db8::1'],
    ['an IPv6 address with a zone', 'fe80::1%eth0', 'fe80::1'],
    ['a quoted address and a port', '"[2001:db8::1]:443"', '2001:db8::1'],
    ['an IPv4-mapped address and a port', '[::ffff:198.51.100.1]:443', '::ffff:198.51.100.1'],
    ['spaces', '  198.51.100.1:80 ,  10.1.1.1:90  ', '198.51.100.1'],
    ['a client that forges the header', '203.0.113.9, 198.51.100.1:80', '198.51.100.1'],
    ['trusted proxies with ports', '198.51.100.1:1, [2001:db8:ffff::1]:2, 10.0.0.1:3', '198.51.100.1'],
    ['only trusted proxies', '10.0.0.2, 10.0.0.1', '10.0.0.2'],
    ['text', 'unknown', '127.0.0.1'],
    ['text before a proxy', 'unknown, 10.0.0.1', '10.0.0.1'],
    ['a port that is not a number', '198.51.100.1:http', '127.0.0.1'],
    ['a port without an address', ':443', '127.0.0.1'],
    ['an empty entry', '198.51.100.1,', '127.0.0.1'],
    ['an octal address', '010.1.1.1', '127.0.0.1'],
    ['a pair of Forwarded', 'for=198.51.100.1', '127.0.0.1'],
  ])('finds the client in %s', (_, header, client) => {
    expect(proxies.clientOf('127.0.0.1', header)).toBe(client);
  });

  it('believes an IPv4 proxy that connects over IPv6', () => {
    expect(proxies.clientOf('::ffff:127.0.0.1', '198.51.100.1:1')).toBe('198.51.100.1');
  });

  it('ignores the headers of other peers', () => {
    expect(proxies.clientOf('203.0.113.1', '198.51.100.1')).toBe('203.0.113.1');
    expect(new TrustedProxies([]).clientOf('127.0.0.1', '198.51.100.1')).toBe('127.0.0.1');
    expect(proxies.reportsTls('203.0.113.1', 'https')).toBe(false);
  });

  it.each([
    ['https', true],
    ['HTTPS', true],
    ['https, http', true],
    ['http', false],
    ['httpsx', false],
    [undefined, false],
  ])('reads X-Forwarded-Proto: %s', (header, secure) => {
    expect(proxies.reportsTls('127.0.0.1', header)).toBe(secure);
  });
});
