import { parseDurationMs } from './duration.js';

describe('parseDurationMs', () => {
  it.each([
    ['0s', 0],
    ['250ms', 250],
    ['90s', 90_000],
    ['5m', 300_000],
    ['48h', 172_800_000],
    ['30d', 2_592_000_000],
    ['007m', 420_000],
  ])('reads %s', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each([
    '',
    '5',
    '5 m',
    ' 5m',
    '5m\n',
    '-5m',
    '+5m',
    '1.5h',
    '1h30m',
    '5M',
    '5w',
    '1e3s',
    'm',
    '1234567890s',
  ])('rejects %j', (text) => {
    expect(parseDurationMs(text)).toBeNull();
  });
});
