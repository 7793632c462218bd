import tlds from 'tlds' with { type: 'json' };

export const MAX_NAME_LENGTH = 64;

/** Top-level domains that do not exist, but are read as addresses (RFC 2606, RFC 6761, RFC 7686). */
const SPECIAL_USE = ['example', 'invalid', 'local', 'localhost', 'onion', 'test'];
const TOP_LEVEL_DOMAINS = new Set([...tlds, ...SPECIAL_USE]);

/** Controls, directions, private and unassigned characters, line breaks, and what fonts do not show. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
/**
 * Letters, digits and signs, except those that are drawn as nothing: the braille pattern without dots, the null notehead,
 * the Egyptian blanks, and the place of an object that a text cannot contain. A mark needs a character that it is on.
 */
const VISIBLE = /(?![\u2800\uFFFC\u{13441}\u{13442}\u{1D159}])[\p{L}\p{N}\p{P}\p{S}]/u;
/** Invisible characters that join letters (Persian, Hindi) or select the form of an emoji, after what they change. */
const JOINERS = /(?<=[\p{L}\p{M}\p{Emoji}])(?:\u200C|\u200D|\uFE0E|\uFE0F)/gu;

/**
 * Returns the rule that a name breaks, or null. Names are shown to other people, and an attacker can send one for another
 * user's number, so a name must show something, and must not be able to carry a link or to reorder the text around it.
 */
export function faultOfName(name: string): string | null {
  const length = [...name].length;
  if (name.trim() === '' || length > MAX_NAME_LENGTH) return `must have 1 to ${MAX_NAME_LENGTH} characters`;
  const plain = name.replace(JOINERS, '');
  if (UNPRINTABLE.test(plain))
    return 'must have printable characters only: no control, direction or invisible characters';
  if (!VISIBLE.test(plain)) return 'must have a visible character: a letter, a digit or a sign';
  if (hasUrl(plain)) return 'must not contain a web address; write a space after a full stop';
  return null;
}

/**
 * Returns true for a scheme (`https://…`, `mailto:…`), `www.`, an IPv4 address, or a name below a top-level domain
 * (`shop.example`). Compatibility forms count as the characters that they look like.
 */
function hasUrl(text: string): boolean {
  const folded = text
    .normalize('NFKC')
    .replace(/[。．｡․]/g, '.')
    .toLowerCase();
  if (/\/\/|[\p{L}\d]:\/|\bwww\.|\bxn--|\d{1,3}(\.\d{1,3}){3}/u.test(folded)) return true;
  if (/\b(?:data|file|ftp|https?|intent|javascript|mailto|sip|sms|tel):\S/.test(folded)) return true;
  const lastLabels = folded.matchAll(/(?<=[\p{L}\p{M}\d-]\.)[\p{L}\p{M}\d-]+/gu);
  return [...lastLabels].some(([label]) => TOP_LEVEL_DOMAINS.has(label));
}
