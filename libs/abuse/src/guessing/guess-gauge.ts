import type { Policy } from '../policy.js';

/**
 * The gauge of one country: the numbers whose short codes unknown devices guess at. A number counts once a day. When an
 * attacker guesses at very many numbers, the codes of all unknown devices of the country become longer.
 *
 * Longer codes trouble every user, so raising the gauge must be expensive. It takes many numbers, each of which costs a
 * message, and many networks: one group of networks counts for no more than its share of the threshold.
 */
export interface Gauge {
  /** `signedIn`: the numbers that were taken back, because they signed in. Absent in gauges of older versions. */
  days: [day: number, numbers: number, signedIn?: number][];
  /** The numbers of the newest day by group of networks. */
  groups?: { day: number; numbers: number[] };
}

/** The countries whose gauge was raised on a day. */
export interface RaisedCountries {
  readonly day: number;
  readonly countries: readonly string[];
}

/** Networks are counted in groups, so that the gauge has a fixed size. */
export const NETWORK_GROUPS = 128;
const DAYS_IN_GAUGE = 8;

export function newGauge(): Gauge {
  return { days: [] };
}

/** Counts a number that was not counted before on this day. */
export function countNumber(gauge: Gauge, day: number, group: number): void {
  add(gauge, day, 1, 0);
  if (gauge.groups?.day !== day) gauge.groups = { day, numbers: Array<number>(NETWORK_GROUPS).fill(0) };
  gauge.groups.numbers[group] = (gauge.groups.numbers[group] ?? 0) + 1;
}

/** Takes a counted number back, because it signed in: its guesses were typos. */
export function forgiveNumber(gauge: Gauge, day: number, group: number): void {
  add(gauge, day, -1, 1);
  const { groups } = gauge;
  if (groups?.day === day) groups.numbers[group] = Math.max(0, (groups.numbers[group] ?? 0) - 1);
}

/** Returns true if unknown devices of the country need long codes. */
export function isRaised(policy: Policy, gauge: Gauge, today: number): boolean {
  if (gauge.groups?.day !== today) return false;
  const threshold = thresholdOf(policy, gauge, today);
  const share = threshold / policy.guesses.gaugeNetworks;
  return gauge.groups.numbers.reduce((sum, numbers) => sum + Math.min(numbers, share), 0) > threshold;
}

/** Returns the facts of a raised gauge that an operator needs. */
export function describeGauge(
  policy: Policy,
  gauge: Gauge,
  today: number,
): { readonly numbers: number; readonly network_groups: number; readonly threshold: number } {
  const groups = gauge.groups?.numbers.filter((numbers) => numbers > 0).length ?? 0;
  return {
    numbers: numbersOn(gauge, today),
    network_groups: groups,
    threshold: thresholdOf(policy, gauge, today),
  };
}

/** Returns the countries with one more of them, which counts once a day. */
export function withRaised(raised: RaisedCountries | null, country: string, today: number): RaisedCountries {
  const countries = raised?.day === today ? raised.countries : [];
  return countries.includes(country) && raised ? raised : { day: today, countries: [...countries, country] };
}

/** Returns true if so many countries are raised today that unknown devices of all countries need long codes. */
export function isRaisedEverywhere(
  { guesses }: Policy,
  raised: RaisedCountries | null,
  today: number,
): boolean {
  return raised?.day === today && raised.countries.length >= guesses.gaugeCountries;
}

function thresholdOf({ guesses }: Policy, gauge: Gauge, today: number): number {
  return Math.max(guesses.gaugeNumbers, guesses.gaugeTimesMedian * medianBefore(gauge, today));
}

/** Returns what is usual: the numbers that sign in on a day. Guesses would be what a patient attacker makes usual. */
function medianBefore({ days }: Gauge, today: number): number {
  const signedInOn = (day: number) => days.find(([d]) => d === day)?.[2] ?? 0;
  const before = Array.from({ length: DAYS_IN_GAUGE - 1 }, (_, i) => signedInOn(today - 1 - i));
  return before.toSorted((a, b) => a - b)[Math.floor(before.length / 2)] as number;
}

function numbersOn({ days }: Gauge, day: number): number {
  return days.find(([d]) => d === day)?.[1] ?? 0;
}

function add(gauge: Gauge, day: number, numbers: number, signedIn: number): void {
  const [, numbersBefore, signedInBefore = 0] = gauge.days.find(([d]) => d === day) ?? [day, 0];
  const others = gauge.days.filter(([d]) => d !== day && d > day - DAYS_IN_GAUGE);
  gauge.days = [...others, [day, Math.max(0, numbersBefore + numbers), signedInBefore + signedIn]];
}
