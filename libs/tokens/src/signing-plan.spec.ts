import { LEAD_MS, planSigning, ROTATE_AFTER_MS } from './signing-plan.js';

const DAY = 86_400_000;

/** Plans for keys of these ages, the newest first. */
function plan(...ages: number[]) {
  const { signing, published, needsKey } = planSigning(ages.map((ageMs) => ({ ageMs })));
  return { signing: signing?.ageMs ?? null, published: published.map(({ ageMs }) => ageMs), needsKey };
}

describe('planSigning', () => {
  it.each([
    ['asks for the first key', [], null, [], true],
    ['signs with the first key at once', [0], 0, [0], false],
    ['keeps a key for thirty days', [ROTATE_AFTER_MS - 1], ROTATE_AFTER_MS - 1, [ROTATE_AFTER_MS - 1], false],
    ['asks for the next key then', [ROTATE_AFTER_MS], ROTATE_AFTER_MS, [ROTATE_AFTER_MS], true],
    ['publishes the next key before it signs', [0, 30 * DAY], 30 * DAY, [0, 30 * DAY], false],
    ['signs with the next key after the lead', [LEAD_MS, 31 * DAY], LEAD_MS, [LEAD_MS, 31 * DAY], false],
    [
      'publishes the old key for a day more',
      [LEAD_MS + DAY - 1, 31 * DAY],
      LEAD_MS + DAY - 1,
      [LEAD_MS + DAY - 1, 31 * DAY],
      false,
    ],
    ['does not publish it after that', [LEAD_MS + DAY, 32 * DAY], LEAD_MS + DAY, [LEAD_MS + DAY], false],
    ['publishes all keys of quick rotations', [1, 2, 3, 40 * DAY], 40 * DAY, [1, 2, 3, 40 * DAY], false],
    ['publishes no keys from long ago', [2 * DAY, 40 * DAY, 80 * DAY], 2 * DAY, [2 * DAY], false],
  ])('%s', (_, ages, signing, published, needsKey) => {
    expect(plan(...ages)).toEqual({ signing, published, needsKey });
  });
});
