import { isIPv4, isIPv6 } from 'node:net';
import { closest, distance } from 'fastest-levenshtein';
import { Environment } from './environment.js';
import { defaultProviderOf } from './providers.js';

/** Prefixes that only variables of this server have, among those that are usually set. */
const OWN_PREFIXES = /^(TWILIO|LIMIT|HTTP_SENDER|SMS|OTP|SPEND|BREAKER|TEST_PHONE)_/;

/** A shorter name is close to too many others to be a mistyped one. */
const SHORTEST_MISTYPED = 8;
const MOST_MISTAKES = 2;

/** Settings that are valid, but that probably do not do what the operator wants. */
export function warningsOf(env: Environment, names: readonly string[]): string[] {
  return [...productionWarnings(env), ...inboxWarnings(env), ...unknownNames(names)];
}

function productionWarnings(env: Environment): string[] {
  if (env.NODE_ENV !== 'production') return [];
  const warnings: [boolean, string][] = [
    [
      env.PUBLIC_URL === undefined,
      'PUBLIC_URL is not set: there are no delivery reports, and problem types point to localhost',
    ],
    [
      env.PUBLIC_URL?.startsWith('http:') === true,
      'PUBLIC_URL starts with http: – codes and tokens are sent without encryption, and cookies are not Secure',
    ],
    [
      env.ALLOWED_COUNTRIES === undefined,
      'ALLOWED_COUNTRIES is not set: messages go to every country. List the countries that your users are in',
    ],
  ];
  return warnings.filter(([applies]) => applies).map(([, text]) => text);
}

function inboxWarnings(env: Environment): string[] {
  if (defaultProviderOf(env) !== 'inbox' || isLoopback(env.HOST)) return [];
  return [
    'HOST is not a loopback address, and messages go to the inbox: everyone who can reach this port can read every code',
  ];
}

function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || (isIPv4(host) && host.startsWith('127.')) || (isIPv6(host) && host === '::1')
  );
}

/** Names that are not variables of this server, but look like one. */
function unknownNames(names: readonly string[]): string[] {
  const known = Object.keys(new Environment());
  return names
    .filter((name) => !known.includes(name))
    .map((name) => [name, closest(name, known)] as const)
    .filter(([name, nearest]) => OWN_PREFIXES.test(name) || isMistyped(name, nearest))
    .map(
      ([name, nearest]) => `${name} is not a variable of this server and has no effect. Is ${nearest} meant?`,
    );
}

function isMistyped(name: string, nearest: string): boolean {
  return name.length >= SHORTEST_MISTYPED && distance(name, nearest) <= MOST_MISTAKES;
}
