import { faultOfName } from './user-name.js';

describe('faultOfName', () => {
  it.each([
    'Ada',
    'J.R. Smith',
    'J.R.R. Tolkien',
    'Dr. No',
    "O'Neil",
    'A.R.Rahman',
    'Md.Rahman',
    'Mary-Jane O’Connor, Jr.',
    'Nguyễn Thị Ánh',
    'José María Ruiz-Gallardón y Ñúñez',
    '李小龙',
    'محمد علی‌زاده',
    'श्री क्‍ष',
    'שרה כהן',
    'Σωκράτης Α. Ωνάσης',
    'Anna (née Kim) / Team 7: Ops',
    'Max 3.0',
    '❤️ 👩‍🚀',
    '1',
    '?!',
    '☃',
    'हर्ष',
    'é',
    'Zoe\u0308',
    'Ada\u2800Lovelace',
    'x'.repeat(64),
    '🦊'.repeat(64),
  ])('accepts %j', (name) => {
    expect(faultOfName(name)).toBeNull();
  });

  it.each(['', ' ', '\u00A0', 'x'.repeat(65), '🦊'.repeat(65)])('rejects the length of %j', (name) => {
    expect(faultOfName(name)).toBe('must have 1 to 64 characters');
  });

  it.each([
    'a\0b',
    'a\nb',
    'a\tb',
    'a\u0085b',
    'a\u2028b',
    'a\u2029b',
    '\u202Egnp.exe',
    'a\u2066b\u2069',
    '\u200Fa',
    'a\u061Cb',
    'a\u200Bb',
    'a\u2060b',
    '\uFEFFa',
    'a\u00ADb',
    '\u3164',
    '\u115F',
    '\u200D',
    ' \u200Ca',
    'a\u{E0041}',
    '\uE000',
    '\uD800',
    'a\uDC00',
    '\uFFFF',
  ])('rejects the characters of %j', (name) => {
    expect(faultOfName(name)).toMatch(/^must have printable characters only/);
  });

  it.each([
    '\u2800',
    '\u2800\u2800 \u2800',
    '\u3000\u2800',
    '\u{1D159}',
    '\u{13441}\u{13442}',
    '\uFFFC',
    '\u0301',
    ' \u0308',
    '\u0903',
    '\u20DD',
    '\u0301\u200D',
    '\u{11347}',
    '\u2800\u0301',
  ])('rejects %j, which shows nothing', (name) => {
    expect(faultOfName(name)).toBe('must have a visible character: a letter, a digit or a sign');
  });

  it.each([
    'Pay Mallory: evil.example',
    'https://evil.example',
    'HTTP://EVIL.COM',
    'myapp://open',
    'evil.com',
    'EVIL.COM/x?y',
    'see t.me/mallory',
    'x.com',
    'bit.ly',
    'www.evil',
    'mallory@evil.example',
    '//evil',
    'mailto:mallory',
    'javascript:alert(1)',
    'tel:+19005550123',
    '192.0.2.1',
    'evil．com',
    'evil。com',
    'evil․com',
    'ｅｖｉｌ.ｃｏｍ',
    'пример.рф',
    'xn--e1afmkfd',
    'evil.co.uk.',
    'e\u200Dvil.c\u200Dom',
    'call evil.com now',
    'evil.com:8080',
    'evil.onion',
  ])('rejects the address in %j', (name) => {
    expect(faultOfName(name)).toMatch(/^must not contain a web address/);
  });
});
