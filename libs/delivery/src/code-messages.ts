import { Injectable } from '@nestjs/common';
import { type Message, Templates } from '#messaging';
import { type Verification, VerificationService } from '#otp';
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
    const locale = verification.locale ?? 'en';
    const body = this.templates.compose({ channel, locale, code, validForSeconds, appHash });
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
