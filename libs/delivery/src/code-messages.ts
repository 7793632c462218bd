import { Injectable } from '@nestjs/common';
import { type Message, Templates } from '#messaging';
import { type Verification, VerificationService } from '#otp';
import { kindOfNumber } from '#phone';
import { MessageReferences } from './message-references.js';

/** Writes the message of a verification. Derives the code here, at the moment of sending. */
@Injectable()
export class CodeMessages {
  constructor(
    private readonly verifications: VerificationService,
    private readonly templates: Templates,
    private readonly references: MessageReferences,
  ) {}

  compose(verification: Verification, validForSeconds: number): Message {
    const { phoneNumber: to, route, appHash } = verification;
    const { channel } = route;
    const code = this.verifications.codeOf(verification);
    const { country } = kindOfNumber(to);
    const locale = this.templates.localeOf(channel, verification.locale ?? 'en', country);
    const body = this.templates.compose({ channel, locale, country, code, validForSeconds, appHash });
    return {
      to,
      channel,
      body,
      code,
      locale,
      validForSeconds,
      reference: this.references.seal(verification),
    };
  }
}
