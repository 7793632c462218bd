import { skewOf } from './clock-skew.service.js';

describe('skewOf', () => {
  it.each([
    [1_000, 0],
    [1_200, 0],
    [1_400, 0],
    [1_401, 1],
    [361_400, 360_000],
    [999, -1],
    [-359_000, -360_000],
  ])('returns for the time %d, read from 1,000 to 1,400, the skew %d', (time, skew) => {
    expect(skewOf(time, { from: 1_000, to: 1_400 })).toBe(skew);
  });
});
