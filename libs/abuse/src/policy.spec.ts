import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_POLICY, PolicyFault, readPolicy } from './policy.js';

describe('readPolicy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-policy-'));
  const file = join(folder, 'policy.json');
  afterAll(() => rmSync(folder, { recursive: true }));

  function read(text: string) {
    writeFileSync(file, text);
    return readPolicy(file);
  }

  function faultOf(act: () => unknown): PolicyFault {
    try {
      act();
    } catch (error) {
      return error as PolicyFault;
    }
    throw new Error('no fault was thrown');
  }

  it('returns the default policy without a file, and for an empty one', () => {
    expect(readPolicy(null)).toBe(DEFAULT_POLICY);
    expect(read('{}')).toEqual(DEFAULT_POLICY);
  });

  it('replaces only the members that the file names, and does not change the default policy', () => {
    const before = structuredClone(DEFAULT_POLICY);
    const policy = read('{"breaker":{"address":{"lose":0,"credit":1.5}}}');
    expect(policy).toEqual({
      ...before,
      breaker: { ...before.breaker, address: { ...before.breaker.address, lose: 0, credit: 1.5 } },
    });
    expect(DEFAULT_POLICY).toEqual(before);
  });

  it.each([
    ['{"secret":123456}', /policy\.secret is not a member/],
    ['{"breaker":{"address":{"loose":123456}}}', /policy\.breaker\.address\.loose is not a member/],
    ['{"__proto__":{"hidden":123456}}', /is not a member/],
    ['{"breaker":{"address":{"lose":"secret 123456"}}}', /policy\.breaker\.address\.lose must be a number/],
    ['{"breaker":{"address":{"lose":-123456}}}', /policy\.breaker\.address\.lose must be a number/],
    ['{"breaker":{"address":{"lose":null}}}', /policy\.breaker\.address\.lose must be a number/],
    ['{"breaker":123456}', /policy\.breaker must be an object/],
    ['{"breaker":null}', /policy\.breaker must be an object/],
    ['[123456]', /policy must be an object/],
    ['"123456"', /policy must be an object/],
    ['{"guesses": 123456 oops', /not valid JSON/],
    ['', /not valid JSON/],
  ])('rejects %s by name and rule, without repeating a value', (text, rule) => {
    const fault = faultOf(() => read(text));
    expect(fault).toBeInstanceOf(PolicyFault);
    expect(fault.message).toMatch(rule);
    expect(fault.message).not.toMatch(/123456|oops/);
  });

  it.each([
    '{"breaker":{"genuineConversion":1}}',
    '{"breaker":{"genuineConversion":0.01}}',
    '{"breaker":{"pumpedConversion":0}}',
    '{"breaker":{"pumpedConversion":0.6}}',
  ])('rejects conversions that do not tell genuine messages from pumped ones: %s', (text) => {
    expect(faultOf(() => read(text))).toBeInstanceOf(PolicyFault);
  });

  it.each(['absent.json', '.'])('rejects an unreadable file: %s', (name) => {
    const fault = faultOf(() => readPolicy(join(folder, name)));
    expect(fault).toBeInstanceOf(PolicyFault);
    expect(fault.message).toMatch(/cannot be read: E[A-Z]+/);
  });
});
