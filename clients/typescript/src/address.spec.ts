import { addressOf, baseOf } from './address.js';

describe('The address of a server', () => {
  it.each([
    ['https://id.example.com', 'https://id.example.com'],
    ['https://id.example.com/', 'https://id.example.com'],
    ['https://example.com/auth//', 'https://example.com/auth'],
    ['http://localhost:4000/?a=b#c', 'http://localhost:4000'],
    ['https://user:password@example.com/', 'https://example.com'],
  ])('of %s is %s', (url, base) => {
    expect(baseOf(url)).toBe(base);
  });

  it('must be absolute where there is no page', () => {
    expect(() => baseOf('/auth')).toThrow('Invalid URL');
  });

  it.each([
    '/v1/me',
    '//evil.example/v1/me',
    '/@evil.example',
    '/\\evil.example',
    '/v1/%2e%2e/me?next=https://evil.example',
    '/v1/me#@evil.example',
  ])('sends %s to the server only', (path) => {
    for (const base of ['https://id.example.com', 'https://id.example.com/auth'])
      expect(new URL(addressOf(base, path)).origin).toBe('https://id.example.com');
  });

  it.each(['/../other', '/%2e%2e/other', '/..', '/v1/../../other'])(
    'refuses %s, which leads to another application of the host',
    (path) => {
      expect(() => addressOf('https://id.example.com/auth', path)).toThrow(TypeError);
    },
  );

  it.each([
    '',
    'v1/me',
    '@evil.example',
    ':80@evil.example/',
    '.evil.example/v1/me',
    '\\\\evil.example',
    'https://evil.example/v1/me',
    'https://id.example.com/v1/me',
    ' /v1/me',
  ])('refuses "%s", which is no path', (path) => {
    expect(() => addressOf('https://id.example.com', path)).toThrow(/starts with "\/"/);
  });
});
