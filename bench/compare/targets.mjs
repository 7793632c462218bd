// The ratios that the server should reach, measured within one run.

/** Messages a second that one process sent on the machine of the first measurement. */
const FIRST_MESSAGES = { Postgres: 240, Redis: 430 };

/** One line per target: a workload, ours, what it is compared with, and the least ratio. */
const TARGETS = [
  ...of('ask', 'Redis', 'latchkey, Redis, worker', { peer: 2, ceiling: 0.1 }),
  ...of('ask', 'Postgres', 'latchkey, Postgres, worker', { peer: 1.2 }),
  ...of('ask', 'Redis', 'latchkey, Redis', { peer: 1 }),
  ...of('ask', 'Postgres', 'latchkey, Postgres', { peer: 0.6 }),
  ...of('check', 'Redis', 'latchkey, Redis, worker', { peer: 4, ceiling: 0.35 }),
  ...of('check', 'Postgres', 'latchkey, Postgres, worker', { peer: 4, ceiling: 0.35 }),
  ...of('bearer', 'Redis', 'latchkey, Redis, worker', { peer: 8, ceiling: 0.45 }),
  ...of('bearer', 'Postgres', 'latchkey, Postgres, worker', { peer: 8, ceiling: 0.5 }),
  ...of('refuse', 'Redis', 'latchkey, Redis, worker', { ceiling: 0.35 }),
  ...of('refuse', 'Postgres', 'latchkey, Postgres, worker', { ceiling: 0.35 }),
];

function of(workload, mode, ours, { peer, ceiling }) {
  const target = (other, least) => (least ? [{ workload, ours, other: `${other}, ${mode}`, least }] : []);
  return [...target('better-auth', peer), ...target('ceiling', ceiling)];
}

/** @param results medians by the subject's name. */
export function compareWithTargets(results) {
  const rate = (name, workload) => results[name]?.workloads[workload]?.perSecond;
  const ratios = TARGETS.map((target) => {
    return judged(target, rate(target.ours, target.workload) / rate(target.other, target.workload));
  });
  const deliveries = Object.entries(FIRST_MESSAGES).map(([mode, first]) => {
    const ours = `latchkey, ${mode}, worker`;
    const least = { Postgres: 500, Redis: 800 }[mode] / first;
    const target = { workload: 'deliver', ours, other: `${first} messages/s, measured before`, least };
    return judged(target, rate(ours, 'deliver') / first);
  });
  return [...ratios, ...deliveries].filter(({ ratio }) => Number.isFinite(ratio));
}

function judged(target, ratio) {
  return { ...target, ratio, isMet: ratio >= target.least };
}
