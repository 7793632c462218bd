import { InvalidRequest } from '#errors';
import { type PhoneNumber, parsePhoneNumber, type Region } from '#phone';

/** Reads the phone numbers of requests, national ones in the configured region. */
export class PhoneNumbers {
  constructor(private readonly region: Region | null) {}

  /** @throws InvalidRequest that points at the body's `phone_number`. */
  read(text: string): PhoneNumber {
    const phoneNumber = parsePhoneNumber(text, this.region ?? undefined);
    if (phoneNumber) return phoneNumber;
    const form = this.region
      ? `a phone number of ${this.region}, or an international one`
      : 'an international phone number';
    const detail = `must be ${form}, such as +14155550100`;
    throw new InvalidRequest('the phone number is not valid', [{ pointer: '/phone_number', detail }]);
  }
}
