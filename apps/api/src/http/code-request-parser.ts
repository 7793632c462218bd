import { Injectable } from '@nestjs/common';
import type { CodeRequest } from '#auth';
import { LocaleChoice } from '#messaging';
import { AppHashParser } from './app-hash-parser.js';
import { ChannelParser } from './channel-parser.js';
import { PhoneNumberParser } from './phone-number-parser.js';
import type { RequestFields } from './request-fields.dto.js';

/** Reads the members of a body that request a code. */
@Injectable()
export class CodeRequestParser {
  constructor(
    private readonly phoneNumbers: PhoneNumberParser,
    private readonly channels: ChannelParser,
    private readonly locales: LocaleChoice,
    private readonly appHashes: AppHashParser,
  ) {}

  /**
   * @param usualLocale used when the body names no language.
   * @throws InvalidRequest, PhoneNumberNotAllowed
   */
  parse(
    {
      phone_number,
      channel,
      locale,
      app_hash,
    }: Pick<RequestFields, 'phone_number' | 'channel' | 'locale' | 'app_hash'>,
    acceptLanguage: string | undefined,
    usualLocale: string | null = null,
  ): CodeRequest {
    const phoneNumber = this.phoneNumbers.parse(phone_number);
    return {
      phoneNumber,
      channel: this.channels.parse(phoneNumber, channel),
      locale: this.locales.for(phoneNumber, locale ?? usualLocale, acceptLanguage),
      appHash: this.appHashes.parse(app_hash),
    };
  }
}
