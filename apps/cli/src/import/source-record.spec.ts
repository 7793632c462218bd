import { lacksRegion, masked, readRecord, type SourceRecord } from './source-record.js';
import { instantOf, pastTimeOf } from './time.js';

const US = { region: 'US' } as const;
const record = (members: Partial<SourceRecord>): SourceRecord => {
  return { place: 'line 2', phoneNumber: '+14155550100', ...members };
};

describe('readRecord', () => {
  it.each<[members: Partial<SourceRecord>, account: object]>([
    [{}, { phoneNumber: '+14155550100', name: null, createdAt: null, legacyId: null, tokens: [] }],
    [{ phoneNumber: '(415) 555-0100' }, { phoneNumber: '+14155550100' }],
    [{ phoneNumber: ' +44 7911 123456 ' }, { phoneNumber: '+447911123456' }],
    [{ name: ' Ada ' }, { name: 'Ada' }],
    [{ name: '' }, { name: null }],
    [{ createdAt: '2024-05-06' }, { createdAt: new Date('2024-05-06T00:00Z') }],
    [{ createdAt: '' }, { createdAt: null }],
    [{ createdAt: '0001-01-01T00:00:00Z' }, { createdAt: null }],
    [{ legacyId: 7 }, { legacyId: 7 }],
  ])('reads %j', (members, account) => {
    expect(readRecord(record(members), US)).toMatchObject({ account, nameFault: null, isTimeBad: false });
  });

  it.each<[members: Partial<SourceRecord>, fault: RegExp]>([
    [{ phoneNumber: '' }, /is missing/],
    [{ phoneNumber: null }, /is missing/],
    [{ phoneNumber: '555-0100' }, /is not valid/],
    [{ phoneNumber: 'ada@example.com' }, /is not valid/],
    [{ fault: 'is broken', phoneNumber: null }, /^is broken$/],
  ])('refuses %j', (members, fault) => {
    expect(readRecord(record(members), US)).toEqual({ fault: expect.stringMatching(fault) });
  });

  it('refuses a national number without a region', () => {
    expect(readRecord(record({ phoneNumber: '4155550100' }), {})).toHaveProperty('fault');
  });

  it.each([
    'yesterday',
    '2024-02-30',
    '1969-12-31',
    '2099-01-01',
    new Date('2099-01-01'),
    new Date(Number.NaN),
  ])('leaves the time of creation %j out', (createdAt) => {
    const reading = readRecord(record({ createdAt, name: 'Ada' }), US);
    expect(reading).toMatchObject({ account: { createdAt: null, name: 'Ada' }, isTimeBad: true });
  });

  it.each(['evil.com', 'x'.repeat(65), 'a\nb'])('leaves the name %j out', (name) => {
    const reading = readRecord(record({ name }), US);
    expect(reading).toMatchObject({ account: { name: null }, nameFault: expect.stringMatching(/^must /) });
  });
});

describe('lacksRegion', () => {
  it.each<[phoneNumber: string | null, region: 'US' | undefined, expected: boolean]>([
    ['(415) 555-0100', undefined, true],
    ['4155550100', undefined, true],
    ['4155550100', 'US', false],
    ['+14155550100', undefined, false],
    ['not a number', undefined, false],
    ['', undefined, false],
    [null, undefined, false],
  ])('of %j in %s is %s', (phoneNumber, region, expected) => {
    expect(lacksRegion(record({ phoneNumber }), { region })).toBe(expected);
  });
});

describe('masked', () => {
  it.each([
    ['+14155550100', '+14*******00'],
    ['(415) 555-0100', '+14*******00'],
    ['415555', '******'],
    ['99999999999999999999999', '999***********99'],
    ['ada@example.com', ''],
  ])('masks %s as %s', (given, expected) => {
    expect(masked(given, US)).toBe(expected);
  });
});

describe('instantOf', () => {
  it.each([
    ['2024-05-06', '2024-05-06T00:00:00.000Z'],
    ['2024-05-06T07:08:09Z', '2024-05-06T07:08:09.000Z'],
    ['2024-05-06T07:08:09.123456+02:00', '2024-05-06T05:08:09.123Z'],
    ['2024-05-06 07:08:09.5+00', '2024-05-06T07:08:09.500Z'],
    ['2024-05-06 07:08:09-0330', '2024-05-06T10:38:09.000Z'],
    ['2024-05-06 07:08', '2024-05-06T07:08:00.000Z'],
    ['2024-05-06 07:08:09 UTC', '2024-05-06T07:08:09.000Z'],
  ])('reads %s', (text, expected) => {
    expect(instantOf(text)?.toISOString()).toBe(expected);
  });

  it.each([
    '',
    'now',
    '2024',
    '2024-13-01',
    '06/05/2024',
    '1714979289',
    '2024-05-06T25:00Z',
    '2023-02-29',
    'infinity',
  ])('refuses %j', (text) => {
    expect(instantOf(text)).toBeNull();
  });
});

describe('pastTimeOf', () => {
  const now = new Date('2024-05-06T00:00:00Z');

  it.each<[given: string | Date | null | undefined, expected: Date | null | undefined]>([
    ['2024-05-05', new Date('2024-05-05T00:00:00Z')],
    ['2024-02-29', new Date('2024-02-29T00:00:00Z')],
    ['2024-05-06', now],
    [now, now],
    ['2024-05-06T00:00:01Z', undefined],
    ['2024-02-30', undefined],
    ['1969-12-31', undefined],
    ['not a date', undefined],
    [undefined, null],
    [null, null],
    [' ', null],
    ['0001-01-01T00:00:00Z', null],
    ['0001-01-01 00:00:00+00', null],
    [new Date('0001-01-01T00:00:00Z'), null],
  ])('of %j is %j', (given, expected) => {
    expect(pastTimeOf(given, now)).toEqual(expected);
  });
});
