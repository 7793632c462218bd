// Starts the specs that take longest first, so that no worker ends the run alone with one of them. Specs that bound
// times, or that mostly wait, come before those that keep a core busy, such as bad-input and scenarios.
const LONGEST_FIRST = [
  'test/faults/process.spec.ts',
  'libs/background/src/background.spec.ts',
  'test/faults/delivery-volume.spec.ts',
  'test/faults/delivery-fallback.spec.ts',
  'test/faults/delivery-retries.spec.ts',
  'test/faults/outages.spec.ts',
  'test/faults/rolling-update.spec.ts',
  'test/faults/',
  'test/e2e/send-policy.spec.ts',
  'test/e2e/guess-policy.spec.ts',
  'cli.spec.ts',
  'test/e2e/sign-in.spec.ts',
  'scenarios.spec.ts',
  'simulate.spec.ts',
  'test/',
];

const rankOf = ({ path }) => {
  const rank = LONGEST_FIRST.findIndex((part) => path.includes(part));
  return rank === -1 ? LONGEST_FIRST.length : rank;
};

module.exports = class LongestFirst {
  sort(tests) {
    return [...tests].sort((a, b) => rankOf(a) - rankOf(b) || a.path.localeCompare(b.path));
  }

  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {}
};
