import { storedUserAgent } from './session.js';
import { sessionLabel } from './session-label.js';

const CHROME =
  'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36';
const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1';

it.each([
  [CHROME, 'Chrome on Android'],
  [SAFARI, 'Safari on iOS'],
  ['Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0', 'Firefox on Windows'],
  ['\u0000', null],
  ['', null],
  [null, null],
])('labels the user agent %j as %j', (userAgent, label) => {
  expect(sessionLabel(storedUserAgent(userAgent))).toBe(label);
});

it.each([
  'curl/8.14.1',
  'okhttp/5.1.0',
  'MyApp/3.2 (com.example; build 7) CFNetwork/3826',
  '('.repeat(256),
  '/ '.repeat(128),
])('finds some label or none for %j, and does not fail', (userAgent) => {
  expect([null, expect.any(String)]).toContainEqual(sessionLabel(userAgent));
});

it.each([
  [`${'a'.repeat(300)}`, 'a'.repeat(256)],
  [' a\u0007b\u202ec\n ', 'abc'],
  ['\ud800', null],
  ['   ', null],
])('stores the user agent %j as %j', (userAgent, stored) => {
  expect(storedUserAgent(userAgent)).toBe(stored);
});
