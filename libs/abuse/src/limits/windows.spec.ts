import { countIn, dropEnded, takePoint, type Windows } from './windows.js';

const NOW = Date.UTC(2030, 0, 1);

describe('a fixed window', () => {
  it('begins with its first point, and forgets all points when it ends', () => {
    const windows: Windows = {};
    expect(takePoint(windows, 'a', 1_000, NOW)).toEqual({ points: 1, msLeft: 1_000 });
    expect(takePoint(windows, 'a', 1_000, NOW + 400)).toEqual({ points: 2, msLeft: 600 });
    expect(countIn(windows, 'a', NOW + 999)).toEqual({ points: 2, msLeft: 1 });
    expect(countIn(windows, 'a', NOW + 1_000)).toEqual({ points: 0, msLeft: 0 });
    expect(takePoint(windows, 'a', 1_000, NOW + 1_000)).toEqual({ points: 1, msLeft: 1_000 });
  });

  it('is dropped when it has ended', () => {
    const windows: Windows = { ended: [3, NOW], short: [1, NOW + 10], long: [1, NOW + 20] };
    expect(dropEnded(windows, NOW)).toBe(20);
    expect(Object.keys(windows)).toEqual(['short', 'long']);
    expect(dropEnded(windows, NOW + 20)).toBe(0);
    expect(windows).toEqual({});
  });
});
