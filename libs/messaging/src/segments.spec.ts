import fc from 'fast-check';
import { fitsOneSegment, segmentsOf } from './segments.js';

describe('segmentsOf', () => {
  it.each([
    ['160 @', '@'.repeat(160), { encoding: 'GSM-7', characters: 160, limit: 160, segments: 1 }],
    ['80 €', '€'.repeat(80), { encoding: 'GSM-7', characters: 160, limit: 160, segments: 1 }],
    ['161 é', 'é'.repeat(161), { encoding: 'GSM-7', characters: 161, limit: 160, segments: 2 }],
    [
      '80 é with line breaks',
      'é\n'.repeat(80),
      { encoding: 'GSM-7', characters: 160, limit: 160, segments: 1 },
    ],
    ['a ç', 'ç', { encoding: 'UCS-2', characters: 1, limit: 70, segments: 1 }],
    ['a typographic apostrophe', '’', { encoding: 'UCS-2', characters: 1, limit: 70, segments: 1 }],
    ['71 Cyrillic letters', 'ж'.repeat(71), { encoding: 'UCS-2', characters: 71, limit: 70, segments: 2 }],
    ['35 Hindi graphemes', 'की'.repeat(35), { encoding: 'UCS-2', characters: 70, limit: 70, segments: 1 }],
    ['36 Hindi graphemes', 'की'.repeat(36), { encoding: 'UCS-2', characters: 72, limit: 70, segments: 2 }],
    ['an emoji', '🔑', { encoding: 'UCS-2', characters: 2, limit: 70, segments: 1 }],
  ])('counts the characters and segments of %s', (_, text, expected) => {
    expect(segmentsOf(text)).toEqual(expected);
  });

  it('reports more than one segment exactly when the text exceeds the limit', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'grapheme' }), (text) => {
        const { characters, limit, segments } = segmentsOf(text);
        expect(segments <= 1).toBe(characters <= limit);
      }),
    );
  });
});

describe('fitsOneSegment', () => {
  const ASCII = fc.string({ minLength: 60, maxLength: 165 });
  const MIXED = fc.string({
    minLength: 20,
    maxLength: 165,
    unit: fc.constantFrom('a', 'é', '€', 'ж', '\n', '[', '🔑'),
  });

  it('agrees with the count of segments', () => {
    fc.assert(
      fc.property(fc.oneof(ASCII, MIXED), (text) => {
        expect(fitsOneSegment(text)).toBe(segmentsOf(text).segments === 1);
      }),
    );
  });
});
