import { masked, readRecord, type SourceRecord } from './source-record.js';
import { parseTime } from './time.js';

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
    [{ legacyId: 7 }, { legacyId: 7 }],
  ])('reads %j', (members, account) => {
    expect(readRecord(record(members), US)).toMatchObject({ account, nameFault: null });
  });

  it.each<[members: Partial<SourceRecord>, fault: RegExp]>([
    [{ phoneNumber: '' }, /is missing/],
    [{ phoneNumber: null }, /is missing/],
    [{ phoneNumber: '555-0100' }, /is not valid/],
    [{ phoneNumber: 'ada@example.com' }, /is not valid/],
    [{ createdAt: 'yesterday' }, /created_at must be/],
    [{ fault: 'is broken', phoneNumber: null }, /^is broken$/],
  ])('refuses %j', (members, fault) => {
    expect(readRecord(record(members), US)).toEqual({ fault: expect.stringMatching(fault) });
  });

  it('refuses a national number without a region', () => {
    expect(readRecord(record({ phoneNumber: '4155550100' }), {})).toHaveProperty('fault');
  });

  it.each(['evil.com', 'x'.repeat(65), 'a\nb'])('leaves the name %j out', (name) => {
    const reading = readRecord(record({ name }), US);
    expect(reading).toMatchObject({ account: { name: null }, nameFault: expect.stringMatching(/^must /) });
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

describe('parseTime', () => {
  it.each([
    ['2024-05-06', '2024-05-06T00:00:00.000Z'],
    ['2024-05-06T07:08:09Z', '2024-05-06T07:08:09.000Z'],
    ['2024-05-06T07:08:09.123456+02:00', '2024-05-06T05:08:09.123Z'],
    ['2024-05-06 07:08:09.5+00', '2024-05-06T07:08:09.500Z'],
    ['2024-05-06 07:08:09-0330', '2024-05-06T10:38:09.000Z'],
    ['2024-05-06 07:08', '2024-05-06T07:08:00.000Z'],
    ['2024-05-06 07:08:09 UTC', '2024-05-06T07:08:09.000Z'],
  ])('reads %s', (text, expected) => {
    expect(parseTime(text)?.toISOString()).toBe(expected);
  });

  it.each(['', 'now', '2024', '2024-13-01', '06/05/2024', '1714979289', '1969-12-31', '2024-05-06T25:00Z'])(
    'refuses %j',
    (text) => {
      expect(parseTime(text)).toBeNull();
    },
  );
});
