import { LRUCache } from 'lru-cache';
import { InvalidRequest } from '#errors';
import type { Keys } from '#keys';
import { addToLog } from '#logging';
import { type PhoneNumber, parsePhoneNumber, type Region } from '#phone';

/** Parses the `phone_number` of a request, and names it in the log by its keyed hash. */
export class PhoneNumberParser {
  /** The results of texts that name a number. A flood repeats the same few. Forgotten after a second, as in `#phone`. */
  private readonly known = new LRUCache<string, PhoneNumber>({ max: 1_000, ttl: 1_000 });

  /**
   * @param region the region of national numbers; null: only international numbers are valid.
   * @param newRanges number ranges that are newer than the numbering plans of the library.
   */
  constructor(
    private readonly region: Region | null,
    private readonly newRanges: readonly string[],
    private readonly keys: Pick<Keys, 'phoneIndexOf'>,
  ) {}

  /** @throws InvalidRequest that points at `phone_number` in the body. */
  parse(text: string): PhoneNumber {
    const phoneNumber = this.known.get(text) ?? this.read(text);
    if (phoneNumber) {
      addToLog({ number_hash: this.keys.phoneIndexOf(phoneNumber) });
      return phoneNumber;
    }
    const form = this.region
      ? `a phone number of ${this.region}, or an international one`
      : 'an international phone number';
    const detail = `must be ${form}, such as +14155550100`;
    throw new InvalidRequest('the phone number is not valid', [{ pointer: '/phone_number', detail }]);
  }

  private read(text: string): PhoneNumber | null {
    const phoneNumber = parsePhoneNumber(text, {
      region: this.region ?? undefined,
      newRanges: this.newRanges,
    });
    if (phoneNumber) this.known.set(text, phoneNumber);
    return phoneNumber;
  }
}
