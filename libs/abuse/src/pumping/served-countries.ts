import type { Route } from '#config';

/** The evidence of a provider's answers about one country on one channel. Times are milliseconds since 1970. */
export interface CountryRecord {
  /** The last message that was sent. */
  readonly servedAt?: number;
  /** The last message that the provider refused because of its country. */
  readonly refusedAt?: number;
}

export interface CountryRules {
  /** Messages to a country are refused for this time after the provider refused one because of its country. */
  readonly countryRefusedSeconds: number;
  /**
   * A refusal within this time after a message that was sent concerns a range of numbers, not the country. Otherwise one
   * request for a call to a barred range would stop the calls to the whole country.
   */
  readonly countryServedSeconds: number;
}

export function keyOfCountry({ channel, provider }: Route, country: string): string {
  return `served:${channel}:${provider}:${country}`;
}

/** Returns whether messages to the country are refused without asking the provider. */
export function isRefused({ refusedAt }: CountryRecord, now: number, rules: CountryRules): boolean {
  return isWithin(refusedAt, now, rules.countryRefusedSeconds);
}

export function afterRefusal(record: CountryRecord, now: number, rules: CountryRules): CountryRecord {
  return isWithin(record.servedAt, now, rules.countryServedSeconds) ? record : { ...record, refusedAt: now };
}

/** A message that was sent ends the refusal: an operator has enabled the country. */
export function afterSent(now: number): CountryRecord {
  return { servedAt: now };
}

function isWithin(time: number | undefined, now: number, seconds: number): boolean {
  return time !== undefined && now - time < seconds * 1_000;
}
