import { InvalidRequest } from '#errors';
import { logMembers, newLogContext, runInLogContext } from '#logging';
import { expectForgottenAfterASecond } from '../../../../test/support/forgetting.js';
import { PhoneNumberParser } from './phone-number-parser.js';

describe('PhoneNumberParser', () => {
  const parser = new PhoneNumberParser('US', [], {
    phoneIndexOf: (phoneNumber) => `index of ${phoneNumber}`,
  });

  it.each(['+14155552671', '(415) 555-2671', `${' '.repeat(100)}+14155552671`])(
    'reads %j the first time and later, and names its number in the log',
    (text) => {
      for (let time = 0; time < 3; time += 1) {
        runInLogContext(newLogContext(), () => {
          expect(parser.parse(text)).toBe('+14155552671');
          expect(logMembers()).toEqual({ number_hash: 'index of +14155552671' });
        });
      }
    },
  );

  it('reads a text again after a second, so that times do not tell which numbers were in use', async () => {
    // Every reading folds the characters of the text.
    const readings = jest.spyOn(String.prototype, 'normalize');
    await expectForgottenAfterASecond(readings, () => parser.parse('+14155559876'));
  });

  it('refuses a text that names no number the first time and later', () => {
    for (let time = 0; time < 3; time += 1)
      expect(() => parser.parse('+1 415 555 267')).toThrow(InvalidRequest);
  });

  it('reads a national number in its own region', () => {
    const british = new PhoneNumberParser('GB', [], { phoneIndexOf: () => '' });
    expect(() => parser.parse('020 7946 0958')).toThrow(InvalidRequest);
    expect(british.parse('020 7946 0958')).toBe('+442079460958');
    expect(() => parser.parse('020 7946 0958')).toThrow(InvalidRequest);
  });
});
