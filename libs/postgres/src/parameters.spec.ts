import { numbered, perElement } from './parameters.js';

describe('numbered', () => {
  it.each([
    ['select :a, :b', 'select $1, $2', ['a', 'b']],
    ['select :b, :a, :b', 'select $1, $2, $1', ['b', 'a']],
    ['select :a::text, now()::date', 'select $1::text, now()::date', ['a']],
    ['select 1', 'select 1', []],
  ])('numbers the parameters of %j', (text, positional, names) => {
    expect(numbered(text)).toEqual({ text: positional, names });
  });
});

describe('perElement', () => {
  it('takes each parameter from the element, with its type', () => {
    expect(perElement('select :a, :b::text', { a: 'smallint' })).toBe(
      `select (each ->> 'a')::smallint, (each ->> 'b')::text::text`,
    );
  });
});
