import { type ClientAddress, clientAddressOf, type Scopes, scopesOf } from '#abuse';
import type { PhoneNumber } from '#phone';
import type { Random } from './random.js';

/** One request for a message. */
export interface Request {
  readonly at: number;
  readonly side: 'genuine' | 'attack';
  readonly scopes: Scopes;
  readonly phoneNumber: PhoneNumber;
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
const ADDRESSES_PER_NETWORK = 4;

export interface Span {
  readonly from: number;
  readonly lengthMs: number;
}

/** The requesters of an attack. */
export interface Attackers {
  /** IPv4 networks (/24) of four addresses each, or one IPv6 /32. */
  readonly networks: number | 'ipv6_32';
  readonly solveProofs: boolean;
}

export const USUAL_ATTACKERS: Attackers = { networks: 250, solveProofs: false };

/**
 * @param knownShare the share of numbers that have signed in before.
 * @param numberOf returns the number of one sign-in.
 */
export function genuineRequests(
  random: Random,
  count: number,
  span: Span,
  knownShare = KNOWN_SHARE,
  numberOf = () => randomNumber(random, HOME),
): Request[] {
  return Array.from({ length: count }, () => {
    const at = span.from + random.next() * span.lengthMs;
    const known = random.chance(knownShare);
    const waitsMs = random.logNormal(TYPED_AFTER_SECONDS.median, TYPED_AFTER_SECONDS.sigma) * 1_000;
    const address = genuineAddress(random);
    const phoneNumber = numberOf();
    return {
      at,
      side: 'genuine',
      scopes: scopesOf(address, phoneNumber, HOME.code),
      phoneNumber,
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
  attackers = USUAL_ATTACKERS,
): Request[] {
  return Array.from({ length: count }, (_, n) => {
    const at = span.from + ((n + random.next()) / count) * span.lengthMs;
    return attackRequest(random, at, numberOf(n), country, attackers);
  });
}

export function attackRequest(
  random: Random,
  at: number,
  phoneNumber: PhoneNumber,
  country: Country,
  { networks, solveProofs }: Attackers,
): Request {
  return {
    at,
    side: 'attack',
    scopes: scopesOf(attackAddress(random, networks), phoneNumber, country.code),
    phoneNumber,
    country: country.code,
    known: false,
    device: false,
    typedAt: null,
    solvesProofs: solveProofs,
  };
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

/** An attacker's networks are spread: four of them are in the same /16. */
function attackAddress(random: Random, networks: Attackers['networks']): ClientAddress {
  const hex = () => random.below(65_536).toString(16);
  if (networks === 'ipv6_32') return clientAddressOf(`2a0f:1234:${hex()}:${hex()}::1`);
  const network = random.below(networks);
  const wide = Math.floor(network / 4);
  const host = 1 + random.below(ADDRESSES_PER_NETWORK);
  return clientAddressOf(`${110 + (wide % 90)}.${Math.floor(wide / 90)}.${network % 4}.${host}`);
}
