import { SegmentedMessage } from 'sms-segments-calculator';

/** The size of a text as SMS (3GPP TS 23.038). */
export interface Segments {
  readonly encoding: 'GSM-7' | 'UCS-2';
  /** In units of the encoding: `€` counts twice in GSM-7, an emoji twice or more in UCS-2. */
  readonly characters: number;
  /** Characters that fit one segment. */
  readonly limit: number;
  /** Segments, each of which costs one message. */
  readonly segments: number;
}

const LIMITS = { 'GSM-7': 160, 'UCS-2': 70 };

/** Characters of GSM-7 that count once. There are more. */
const COUNTED_ONCE = /^[\n A-Za-z0-9!"#%&'()*+,./:;<=>?@_-]*$/;

/** Returns whether the text costs one message. Answers for most texts without counting, which takes a millisecond. */
export function fitsOneSegment(text: string): boolean {
  if (text.length <= LIMITS['UCS-2']) return true;
  if (text.length > LIMITS['GSM-7']) return false;
  return COUNTED_ONCE.test(text) || segmentsOf(text).segments === 1;
}

export function segmentsOf(text: string): Segments {
  // Without Twilio's "smart encoding": an account can switch it off, and other providers have none.
  const {
    encodingName: encoding,
    numberOfCharacters,
    segmentsCount,
  } = new SegmentedMessage(text, 'auto', false);
  return {
    encoding,
    // The library counts graphemes in UCS-2, and a Hindi grapheme has up to four characters.
    characters: encoding === 'UCS-2' ? text.length : numberOfCharacters,
    limit: LIMITS[encoding],
    segments: segmentsCount,
  };
}
