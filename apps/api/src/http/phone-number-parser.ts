import { InvalidRequest } from '#errors';
import { type PhoneNumber, parsePhoneNumber, type Region } from '#phone';

/** Parses the `phone_number` of a request. */
export class PhoneNumberParser {
  /** @param region the region of national numbers; null: only international numbers are valid. */
  constructor(private readonly region: Region | null) {}

  /** @throws InvalidRequest that points at `phone_number` in the body. */
  parse(text: string): PhoneNumber {
    const phoneNumber = parsePhoneNumber(text, this.region ?? undefined);
    if (phoneNumber) return phoneNumber;
    const form = this.region
      ? `a phone number of ${this.region}, or an international one`
      : 'an international phone number';
    const detail = `must be ${form}, such as +14155550100`;
    throw new InvalidRequest('the phone number is not valid', [{ pointer: '/phone_number', detail }]);
  }
}
