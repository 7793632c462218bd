import { Injectable } from '@nestjs/common';
import type { Channel, Route } from '#config';
import { LocaleChoice, type Message, MessageProviders, NUMBER_CHANGED, Templates } from '#messaging';
import { VerificationService } from '#otp';
import { isReachableBy, kindOfNumber, type PhoneNumber } from '#phone';
import type { Notice } from './notices.repository.js';

/** The channels of notices, in order. WhatsApp is not among them, because it delivers only approved templates. */
const CHANNELS: readonly Channel[] = ['sms', 'call'];

/** Seconds after which the provider drops the message rather than deliver it late. */
const VALID_FOR_SECONDS = 14_400;

/** Writes notices, and chooses their routes. */
@Injectable()
export class NoticeMessages {
  constructor(
    private readonly providers: MessageProviders,
    private readonly templates: Templates,
    private readonly locales: LocaleChoice,
    private readonly verifications: VerificationService,
  ) {}

  /** Returns the route to a number by SMS, or else by call; null if neither can reach it, and for test numbers. */
  routeTo(phoneNumber: PhoneNumber): Route | null {
    const { line } = kindOfNumber(phoneNumber);
    const channel = CHANNELS.find(
      (candidate) =>
        isReachableBy(candidate, line) &&
        this.providers.carries(candidate) &&
        this.providers.defaultFor(candidate).sendsText,
    );
    if (channel === undefined || this.verifications.isTestNumber(phoneNumber)) return null;
    return { channel, provider: this.providers.defaultFor(channel).name };
  }

  compose({ id, phoneNumber, locale: chosen }: Notice, channel: Channel): Message {
    const { country } = kindOfNumber(phoneNumber);
    const locale = this.templates.localeOf(NUMBER_CHANGED, this.locales.for(phoneNumber, chosen), country);
    const body = this.templates.composeNumberChanged(channel, locale, country);
    // No delivery report of a notice is recorded: the reference is that of no verification.
    return {
      to: phoneNumber,
      channel,
      body,
      code: null,
      locale,
      validForSeconds: VALID_FOR_SECONDS,
      reference: id,
    };
  }
}
