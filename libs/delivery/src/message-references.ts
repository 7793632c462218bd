import { Injectable, Logger } from '@nestjs/common';
import { Keys } from '#keys';
import type { Verification, VerificationId } from '#otp';

const CONTEXT = 'reference of a message';

/** References of messages: sealed, because providers log them and repeat them in delivery reports. */
@Injectable()
export class MessageReferences {
  private readonly logger = new Logger('Delivery');

  constructor(private readonly keys: Keys) {}

  /** Returns the reference of the verification's newest message. */
  seal({ id, messageCount }: Pick<Verification, 'id' | 'messageCount'>): string {
    return this.keys.seal(`${id}.${messageCount}`, CONTEXT);
  }

  /** Returns null for a reference that this server did not make. */
  open(reference: string): { id: VerificationId; messageNumber: number } | null {
    try {
      const [id, number] = this.keys.unseal(reference, CONTEXT).split('.') as [VerificationId, string];
      return { id, messageNumber: Number(number) };
    } catch {
      this.logger.warn('a delivery report has an unknown reference');
      return null;
    }
  }
}
