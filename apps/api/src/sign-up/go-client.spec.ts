import {
  CodeRejected,
  CrossSiteRequest,
  InsufficientScope,
  InvalidRequest,
  InvalidToken,
  MalformedBody,
  NotFound,
  RateLimited,
  Unauthenticated,
  Unavailable,
} from '#errors';
import { goErrorOf, withoutExtraSlashes } from './go-client.js';

const TITLE = 'The title';
const NUMBER_FAULT = new InvalidRequest('', [{ pointer: '/phone_number', detail: 'must be a number' }]);
const NAME_FAULT = new InvalidRequest('', [{ pointer: '/name', detail: 'must be a name' }]);
const OTP_FAULT = new InvalidRequest('', [{ pointer: '/otp', detail: 'must be text' }]);
const INVALID_PAYLOAD = 'Invalid request payload';
const REQUIRED = 'Phone number is required';

describe('goErrorOf', () => {
  it.each<[what: string, error: unknown, body: unknown, expected: string]>([
    ['a wrong code', new CodeRejected(), {}, 'Invalid or expired OTP'],
    ['a body that is not JSON', new MalformedBody('not JSON'), undefined, INVALID_PAYLOAD],
    ['no body', NUMBER_FAULT, undefined, INVALID_PAYLOAD],
    ['a missing number', NUMBER_FAULT, {}, REQUIRED],
    ['an empty number', NUMBER_FAULT, { phone_number: '', name: '', otp: '' }, REQUIRED],
    ['a blank number', NUMBER_FAULT, { phone_number: ' \t' }, REQUIRED],
    ['a number that is null', NUMBER_FAULT, { phone_number: null }, REQUIRED],
    ['a number of another type', NUMBER_FAULT, { phone_number: 4155550100 }, INVALID_PAYLOAD],
    ['a name of another type without a number', NUMBER_FAULT, { name: {} }, INVALID_PAYLOAD],
    ['a code of another type', OTP_FAULT, { phone_number: '+14155550100', otp: 123456 }, INVALID_PAYLOAD],
    ['a parameter of the query', NAME_FAULT, undefined, TITLE],
    ['a number that is not valid', NUMBER_FAULT, { phone_number: '12' }, TITLE],
    ['a name that is not valid', NAME_FAULT, { phone_number: '+14155550100', name: 'a.com' }, TITLE],
    ['a fault outside of the body', new InvalidRequest('the Host header is missing'), undefined, TITLE],
    ['a bad bearer', new InvalidToken(), {}, TITLE],
    ['a rate limit', new RateLimited('cool_down', 27), {}, TITLE],
    ['a dependency that is away', new Unavailable('postgres'), {}, TITLE],
    ['an error of Fastify', { statusCode: 415 }, undefined, TITLE],
    ['a thrown null', null, {}, TITLE],
  ])('returns the text of the Go server for %s at /signup', (_, error, body, expected) => {
    expect(goErrorOf(error, TITLE, { url: '/signup', body })).toBe(expected);
  });

  it.each<[what: string, error: unknown, authorization: string | undefined, expected: string]>([
    ['no header', new Unauthenticated(), undefined, 'Unauthorized'],
    ['a token that is not valid', new InvalidToken(), 'Bearer AAAA', 'Unauthorized'],
    ['a scheme in small letters', new InvalidToken(), 'bearer AAAA', 'Unauthorized'],
    ['a header without a token', new InvalidToken(), 'Bearer', 'Invalid authorization header'],
    ['a header with two tokens', new InvalidToken(), 'Bearer a b', 'Invalid authorization header'],
    ['another scheme', new Unauthenticated(), 'Basic YTpi', 'Invalid authorization header'],
    ['an empty header', new Unauthenticated(), '', 'Invalid authorization header'],
    ['another scope', new InsufficientScope(), 'Bearer AAAA', TITLE],
    ['a cookie of another site', new CrossSiteRequest(), undefined, TITLE],
    ['a wrong method', new NotFound('route'), undefined, TITLE],
  ])('returns the text of the Go server for %s at /protected', (_, error, authorization, expected) => {
    expect(goErrorOf(error, TITLE, { url: '/protected', authorization })).toBe(expected);
  });

  it.each([
    ['/signup', true],
    ['/signup/', true],
    ['//signup//?a=b', true],
    ['/signup?a=/', true],
    ['/protected#a', true],
    ['/%73ignup', true],
    ['http://elsewhere/protected', true],
    ['https://elsewhere:8443/signup?x', true],
    ['/', false],
    ['', false],
    ['/v1/verifications', false],
    ['/signup/x', false],
    ['/signups', false],
    ['/SIGNUP', false],
    ['/x/../signup', false],
    ['/%', false],
    ['/signup%', false],
    ['/nope?/signup', false],
  ])('adds an error to the problems of %s: %s', (url, isAdded) => {
    expect(goErrorOf(new NotFound('route'), TITLE, { url })).toBe(isAdded ? TITLE : null);
  });
});

describe('withoutExtraSlashes', () => {
  it.each([
    ['/signup/', '/signup'],
    ['//signup', '/signup'],
    ['///protected//', '/protected'],
    ['/signup/?a=b/', '/signup?a=b/'],
    ['//protected#a', '/protected#a'],
    ['/signup', '/signup'],
    ['/protected?a', '/protected?a'],
  ])('changes %s to %s', (url, expected) => {
    expect(withoutExtraSlashes(url)).toBe(expected);
  });

  it.each([
    '/',
    '//',
    '',
    '/signup/x',
    '/signup;a=b',
    '/signup%2F',
    '/./signup/.',
    '/SIGNUP/',
    '/signups/',
    '/v1/verifications/',
    '/v1//verifications',
    '/x/signup/',
    '//evil.example/signup/',
    `${'/'.repeat(12_000)}x`,
  ])('leaves %s unchanged', (url) => {
    expect(withoutExtraSlashes(url)).toBe(url);
  });
});
