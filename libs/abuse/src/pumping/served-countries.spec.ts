import { afterRefusal, afterSent, type CountryRecord, isRefused } from './served-countries.js';

const RULES = { countryRefusedSeconds: 600, countryServedSeconds: 86_400 };
const NOW = 1_000_000_000;
const ago = (seconds: number) => NOW - seconds * 1_000;

describe('isRefused', () => {
  it.each<[CountryRecord, boolean]>([
    [{}, false],
    [{ refusedAt: NOW }, true],
    [{ refusedAt: ago(599) }, true],
    [{ refusedAt: ago(600) }, false],
    [{ servedAt: ago(90_000), refusedAt: ago(10) }, true],
  ])('of %j is %s', (record, refused) => {
    expect(isRefused(record, NOW, RULES)).toBe(refused);
  });
});

describe('afterRefusal', () => {
  it.each<[string, CountryRecord, boolean]>([
    ['of the first message', {}, true],
    ['after an earlier refusal', { refusedAt: ago(700) }, true],
    ['long after a sent message', { servedAt: ago(86_400) }, true],
    ['soon after a sent message: it concerns a range of numbers', { servedAt: ago(86_399) }, false],
  ])('%s', (_, record, refused) => {
    expect(isRefused(afterRefusal(record, NOW, RULES), NOW, RULES)).toBe(refused);
  });
});

describe('afterSent', () => {
  it('ends a refusal', () => {
    expect(isRefused(afterSent(NOW), NOW, RULES)).toBe(false);
  });
});
