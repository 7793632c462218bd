import { isOriginPattern, LOOPBACK_ORIGINS, originMatcher } from './origin.js';

describe('originMatcher', () => {
  const EXACT = 'https://app.example.com';
  const WITH_PORT = 'https://app.example.com:8443';
  const SUBDOMAINS = 'https://*.example.com';

  it.each<[pattern: string, origin: string | undefined, isAllowed: boolean]>([
    [EXACT, EXACT, true],
    [EXACT, undefined, false],
    [EXACT, '', false],
    [EXACT, 'null', false],
    [EXACT, '*', false],
    [EXACT, 'http://app.example.com', false],
    [EXACT, 'https://app.example.com:443', false],
    [EXACT, 'https://app.example.com:8443', false],
    [EXACT, 'https://app.example.com/', false],
    [EXACT, 'https://app.example.com.', false],
    [EXACT, 'https://APP.example.com', false],
    [EXACT, 'HTTPS://app.example.com', false],
    [EXACT, 'https://app.example.com.evil.org', false],
    [EXACT, 'https://evilapp.example.com', false],
    [EXACT, 'https://app.example.com@evil.org', false],
    [EXACT, 'https://evil.org#https://app.example.com', false],
    [EXACT, 'https://appxexample.com', false],
    [EXACT, `${EXACT}, ${EXACT}`, false],
    [EXACT, ` ${EXACT}`, false],
    [EXACT, 'https://sub.app.example.com', false],
    [WITH_PORT, WITH_PORT, true],
    [WITH_PORT, EXACT, false],
    [WITH_PORT, `${WITH_PORT}3`, false],
    [SUBDOMAINS, 'https://app.example.com', true],
    [SUBDOMAINS, 'https://a.b.example.com', true],
    [SUBDOMAINS, 'https://xn--bcher-kva.example.com', true],
    [SUBDOMAINS, 'https://example.com', false],
    [SUBDOMAINS, 'https://.example.com', false],
    [SUBDOMAINS, 'https://a..example.com', false],
    [SUBDOMAINS, 'https://evilexample.com', false],
    [SUBDOMAINS, 'https://example.com.evil.org', false],
    [SUBDOMAINS, 'https://a.example.com.evil.org', false],
    [SUBDOMAINS, 'https://a.example.com.', false],
    [SUBDOMAINS, 'https://a.exampleXcom', false],
    [SUBDOMAINS, 'https://A.example.com', false],
    [SUBDOMAINS, 'http://a.example.com', false],
    [SUBDOMAINS, 'https://a.example.com:8443', false],
    [SUBDOMAINS, 'https://user@a.example.com', false],
    [SUBDOMAINS, 'https://evil.org/.example.com', false],
    [SUBDOMAINS, 'https://evil.org#.example.com', false],
    [SUBDOMAINS, 'https://evil.org?.example.com', false],
    [SUBDOMAINS, 'https://evil.org:1.example.com', false],
    [SUBDOMAINS, 'https://evil.org\n.example.com', false],
    [SUBDOMAINS, 'https://a.example.com\n', false],
    [SUBDOMAINS, 'https://é.example.com', false],
    ['https://*.example.com:8443', 'https://a.example.com:8443', true],
    ['https://*.example.com:8443', 'https://a.example.com', false],
    ['http://localhost:*', 'http://localhost:5173', true],
    ['http://localhost:*', 'http://localhost', true],
    ['http://localhost:*', 'https://localhost:5173', false],
    ['http://localhost:*', 'http://localhost:', false],
    ['http://localhost:*', 'http://localhost:5173.evil.org', false],
    ['http://localhost:*', 'http://localhost.evil.org', false],
    ['http://localhost:*', 'http://app.localhost:5173', false],
    ['http://127.0.0.1:*', 'http://127.0.0.1:5173', true],
    ['http://127.0.0.1:*', 'http://127.0.0.1.evil.org', false],
    ['http://127.0.0.1:*', 'http://127x0.0.1:80', false],
  ])('%s allows %j: %j', (pattern, origin, expected) => {
    expect(originMatcher([pattern])(origin)).toBe(expected);
  });

  it('allows what any of the patterns names, and nothing without a pattern', () => {
    const allows = originMatcher([EXACT, 'https://*.example.net', ...LOOPBACK_ORIGINS]);
    const named = [EXACT, 'https://a.example.net', 'http://localhost:1', 'http://127.0.0.1:1'];
    expect(named.map(allows)).toEqual([true, true, true, true]);
    expect(named.map(originMatcher([]))).toEqual([false, false, false, false]);
  });
});

describe('isOriginPattern', () => {
  it.each([
    'https://app.example.com',
    'https://app.example.com:8443',
    'http://localhost:5173',
    'http://127.0.0.1:8080',
    'http://[::1]:8080',
    'https://*.example.com',
    'https://*.app.example.com:8443',
    'https://xn--bcher-kva.example',
  ])('accepts %s', (text) => {
    expect(isOriginPattern(text)).toBe(true);
  });

  it.each([
    '',
    '*',
    'null',
    'app.example.com',
    '//app.example.com',
    'https://app.example.com/',
    'https://app.example.com/path',
    'https://app.example.com?a',
    'https://app.example.com:443',
    'https://app.example.com.',
    'https://App.example.com',
    'https://user@app.example.com',
    'https://bücher.example',
    'ftp://app.example.com',
    'https://*',
    'https://*.',
    'https://*.com',
    'https://*.*.example.com',
    'https://a.*.example.com',
    'https://a*.example.com',
    'http://*.example.com',
    'http://localhost:*',
    'https://*.10.0.0.1',
    'https://*.[::1]',
    'https://*.example.com/',
  ])('rejects %j', (text) => {
    expect(isOriginPattern(text)).toBe(false);
  });
});
