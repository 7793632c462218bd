import { type ClientAddress, clientAddressOf, type Scopes, scopesOf } from '#abuse';
import type { PhoneNumber } from '#phone';
import type { Random } from './random.js';

/** One request for a message. */
export interface Request {
  readonly at: number;
  readonly side: 'genuine' | 'attack';
  readonly scopes: Scopes;
  readonly country: string;
  /** The number has signed in before. */
  readonly known: boolean;
  /** The device has signed in on this number before. */
  readonly device: boolean;
  /** The time at which the code is typed in; null: never. */
  readonly typedAt: number | null;
  /** The requester solves a proof of work when one is required. */
  readonly solvesProofs: boolean;
}

interface Country {
  readonly code: string;
  readonly prefix: string;
  /** Blocks of 10,000 numbers in use. */
  readonly blocks: number;
}

/** Fifty million numbers: a country of medium size. */
export const HOME: Country = { code: 'GB', prefix: '+4474', blocks: 5_000 };
export const FOREIGN: Country = { code: 'AZ', prefix: '+9945', blocks: 2_000 };

const CONVERSION = 0.85;
/** The share of genuine sign-ins whose number has signed in before. */
const KNOWN_SHARE = 0.8;
/** The share of those that come from a known device. */
const KNOWN_DEVICE_SHARE = 0.7;
const TYPED_AFTER_SECONDS = { median: 20, sigma: 0.5 };
const SHARED_ADDRESSES = { carriers: 40, carrierShare: 0.15, offices: 200, officeShare: 0.05 };
const ATTACK_NETWORKS = 250;
const ADDRESSES_PER_NETWORK = 4;

export interface Span {
  readonly from: number;
  readonly lengthMs: number;
}

/** @param knownShare the share of numbers that have signed in before. */
export function genuineRequests(
  random: Random,
  count: number,
  span: Span,
  knownShare = KNOWN_SHARE,
): Request[] {
  return Array.from({ length: count }, () => {
    const at = span.from + random.next() * span.lengthMs;
    const known = random.chance(knownShare);
    const waitsMs = random.logNormal(TYPED_AFTER_SECONDS.median, TYPED_AFTER_SECONDS.sigma) * 1_000;
    return {
      at,
      side: 'genuine',
      scopes: scopesOf(genuineAddress(random), randomNumber(random, HOME), HOME.code),
      country: HOME.code,
      known,
      device: known && random.chance(KNOWN_DEVICE_SHARE),
      typedAt: random.chance(CONVERSION) ? at + waitsMs : null,
      solvesProofs: true,
    };
  });
}

/** @param numberOf returns the number that the n-th request is for. */
export function attackRequests(
  random: Random,
  count: number,
  span: Span,
  numberOf: (n: number) => PhoneNumber,
  country: Country,
  solvesProofs = false,
): Request[] {
  return Array.from({ length: count }, (_, n) => ({
    at: span.from + ((n + random.next()) / count) * span.lengthMs,
    side: 'attack',
    scopes: scopesOf(attackAddress(random), numberOf(n), country.code),
    country: country.code,
    known: false,
    device: false,
    typedAt: null,
    solvesProofs,
  }));
}

export function randomNumber(random: Random, country: Country): PhoneNumber {
  return numberIn(country, random.below(country.blocks), random.below(10_000));
}

export function numberIn({ prefix }: Country, block: number, line: number): PhoneNumber {
  return `${prefix}${String(block).padStart(4, '0')}${String(line).padStart(4, '0')}` as PhoneNumber;
}

/** Most requesters have an address of their own; the others share one of a mobile carrier or an office. */
function genuineAddress(random: Random): ClientAddress {
  const { carriers, carrierShare, offices, officeShare } = SHARED_ADDRESSES;
  const draw = random.next();
  if (draw < carrierShare)
    return clientAddressOf(`100.64.${random.below(carriers / 4)}.${1 + random.below(4)}`);
  if (draw < carrierShare + officeShare) return clientAddressOf(`90.1.${random.below(offices)}.1`);
  return clientAddressOf(
    `${60 + random.below(20)}.${random.below(256)}.${random.below(256)}.${random.below(256)}`,
  );
}

function attackAddress(random: Random): ClientAddress {
  return clientAddressOf(`45.9.${random.below(ATTACK_NETWORKS)}.${1 + random.below(ADDRESSES_PER_NETWORK)}`);
}
