import { originMatcher } from '#config';
import { isCrossSite, originsOf } from './cross-site.js';

const OWN = ['https://login.example.com', 'http://localhost:4000'];
const TRUSTED = ['https://app.example.com', 'https://*.example.net'];

it.each<[method: string, fetchSite: string | undefined, origin: string | undefined, isCrossSite: boolean]>([
  ['GET', 'cross-site', 'https://evil.example', false],
  ['HEAD', undefined, undefined, false],
  ['DELETE', 'same-origin', undefined, false],
  ['POST', 'same-site', 'https://app.example.com', false],
  ['POST', 'none', undefined, false],
  ['POST', 'cross-site', 'https://login.example.com', true],
  ['POST', 'unknown', 'https://login.example.com', true],
  ['POST', '', 'https://login.example.com', true],
  ['DELETE', undefined, undefined, true],
  ['DELETE', undefined, 'https://login.example.com', false],
  ['DELETE', undefined, 'http://localhost:4000', false],
  ['DELETE', undefined, 'http://localhost:4001', true],
  ['DELETE', undefined, 'http://login.example.com', true],
  ['DELETE', undefined, 'ftp://login.example.com', true],
  ['DELETE', undefined, 'data:x', true],
  ['DELETE', undefined, 'https://login.example.com.evil.example', true],
  ['DELETE', undefined, 'https://other.example.com', true],
  ['DELETE', undefined, 'https://app.example.com', false],
  ['DELETE', undefined, 'https://app.example.com:8443', true],
  ['DELETE', undefined, 'https://app.example.com.evil.example', true],
  ['DELETE', undefined, 'https://APP.example.com', true],
  ['DELETE', undefined, 'https://a.example.net', false],
  ['DELETE', undefined, 'https://example.net', true],
  ['POST', 'cross-site', 'https://app.example.com', true],
  ['POST', 'same-site', 'https://other.example.com', false],
  ['PATCH', undefined, 'null', true],
  ['PUT', undefined, '', true],
  ['delete', undefined, undefined, true],
])('%s with Sec-Fetch-Site %j and Origin %j is cross-site: %j', (method, fetchSite, origin, expected) => {
  expect(isCrossSite({ method, fetchSite, origin }, OWN, originMatcher(TRUSTED))).toBe(expected);
});

it('takes no origin from a request without a host', () => {
  expect(originsOf('localhost:4000')).toEqual(['http://localhost:4000', 'https://localhost:4000']);
  expect([originsOf(''), originsOf(undefined)]).toEqual([[], []]);
});
