import { closest, distance } from 'fastest-levenshtein';
import { Environment } from './environment.js';
import { parseList } from './list.js';
import { isLoopback } from './loopback.js';
import { defaultProviderOf, usesHttp, usesTwilio } from './providers.js';

/** Prefixes that only variables of this server have, among those that are usually set. */
const OWN_PREFIXES = /^(TWILIO|LIMIT|HTTP_SENDER|SMS|OTP|SPEND|BREAKER|TEST_PHONE|WEBHOOK)_/;

/** A shorter name is close to too many others to be a mistyped one. */
const SHORTEST_MISTYPED = 8;
const MOST_MISTAKES = 2;

/** The fewest different characters of a random token, nearly always. */
const LEAST_VARIETY = 7;

/** Settings that are valid, but that probably do not do what the operator wants. */
export function warningsOf(env: Environment, names: readonly string[]): string[] {
  return [...secretWarnings(env), ...productionWarnings(env), ...inboxWarnings(env), ...unknownNames(names)];
}

function secretWarnings({ SECRET }: Environment): string[] {
  if (!SECRET?.startsWith('sk_')) return [];
  return [
    'SECRET begins with sk_, as the secrets of clients do: if it is one, set another SECRET, which only this server has',
  ];
}

function productionWarnings(env: Environment): string[] {
  if (env.NODE_ENV !== 'production') return [];
  const warnings: [boolean, string][] = [
    [
      env.PUBLIC_URL === undefined,
      'PUBLIC_URL is not set: there are no delivery reports, and problem types point to localhost',
    ],
    [
      isPlain(env.PUBLIC_URL),
      'PUBLIC_URL starts with http: – codes and tokens are sent without encryption, and cookies are not Secure',
    ],
    [
      parseList(env.ALLOWED_ORIGINS ?? '').some((origin) => /^http:/.test(origin) && isPlainToOthers(origin)),
      'ALLOWED_ORIGINS has an origin with http: – attackers on the network can put scripts into its pages, which then act for their users',
    ],
    [
      usesHttp(env) && isPlainToOthers(env.HTTP_SENDER_URL),
      'HTTP_SENDER_URL starts with http: – codes and phone numbers are sent to the gateway without encryption',
    ],
    [
      usesTwilio(env) && isPlainToOthers(env.TWILIO_API_URL),
      'TWILIO_API_URL starts with http: – codes and the credentials of Twilio are sent without encryption',
    ],
    [
      isPlainToOthers(env.WEBHOOK_URL),
      'WEBHOOK_URL starts with http: – events about users are sent without encryption',
    ],
    [
      env.OPERATOR_TOKEN !== undefined && isGuessable(env.OPERATOR_TOKEN),
      'OPERATOR_TOKEN may be guessable: it has no digit, or repeats a few characters. Use a random one, such as the output of `openssl rand -hex 24`',
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

function isPlain(url: string | undefined): boolean {
  return url !== undefined && new URL(url).protocol === 'http:';
}

/** Returns true if others on a network can read what is sent there. */
function isPlainToOthers(url: string | undefined): boolean {
  return url !== undefined && isPlain(url) && !isLoopback(new URL(url).hostname);
}

/** Words, or a pattern: few random tokens of the shortest length are either. */
function isGuessable(token: string): boolean {
  return !/\d/.test(token) || new Set(token).size < LEAST_VARIETY;
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
