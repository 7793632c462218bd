import fc from 'fast-check';
import { segmentsOf } from './segments.js';

describe('segmentsOf', () => {
  it.each([
    ['@'.repeat(160), { encoding: 'GSM-7', characters: 160, limit: 160, segments: 1 }],
    ['€'.repeat(80), { encoding: 'GSM-7', characters: 160, limit: 160, segments: 1 }],
    ['é'.repeat(161), { encoding: 'GSM-7', characters: 161, limit: 160, segments: 2 }],
    ['é\n'.repeat(80), { encoding: 'GSM-7', characters: 160, limit: 160, segments: 1 }],
    ['ç', { encoding: 'UCS-2', characters: 1, limit: 70, segments: 1 }],
    ['’', { encoding: 'UCS-2', characters: 1, limit: 70, segments: 1 }],
    ['ж'.repeat(71), { encoding: 'UCS-2', characters: 71, limit: 70, segments: 2 }],
    ['की'.repeat(35), { encoding: 'UCS-2', characters: 70, limit: 70, segments: 1 }],
    ['की'.repeat(36), { encoding: 'UCS-2', characters: 72, limit: 70, segments: 2 }],
    ['🔑', { encoding: 'UCS-2', characters: 2, limit: 70, segments: 1 }],
  ])('counts %j', (text, expected) => {
    expect(segmentsOf(text)).toEqual(expected);
  });

  it('never says one segment of what does not fit it', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'grapheme' }), (text) => {
        const { characters, limit, segments } = segmentsOf(text);
        expect(segments <= 1).toBe(characters <= limit);
      }),
    );
  });
});
