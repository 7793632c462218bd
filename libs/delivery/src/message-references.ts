import { Injectable, Logger } from '@nestjs/common';
import { CHANNELS, PROVIDERS, type Route } from '#config';
import { Keys } from '#keys';
import type { Verification, VerificationId } from '#otp';
import type { NumberedReport } from './delivery-state.js';

const CONTEXT = 'reference of a message';

/** The message that a reference names. References made by earlier versions name no route. */
interface ReferencedMessage {
  readonly id: VerificationId;
  readonly numbered: Pick<NumberedReport, 'messageNumber' | 'route'>;
}

/** References of messages: sealed, because providers log them and repeat them in delivery reports. */
@Injectable()
export class MessageReferences {
  private readonly logger = new Logger('Delivery');

  constructor(private readonly keys: Keys) {}

  /** Returns the reference of the verification's newest message. */
  seal({ id, messageCount, route }: Pick<Verification, 'id' | 'messageCount' | 'route'>): string {
    return this.keys.seal(`${id}.${messageCount}.${route.channel}.${route.provider}`, CONTEXT);
  }

  /** Returns null for a reference that this server did not make. */
  open(reference: string): ReferencedMessage | null {
    try {
      const [id, number, ...route] = this.keys.unseal(reference, CONTEXT).split('.') as [
        VerificationId,
        ...string[],
      ];
      return { id, numbered: { messageNumber: Number(number), route: routeOf(route) } };
    } catch {
      this.logger.warn('a delivery report has an unknown reference');
      return null;
    }
  }
}

function routeOf([channelName, providerName]: readonly string[]): Route | undefined {
  const channel = CHANNELS.find((name) => name === channelName);
  const provider = PROVIDERS.find((name) => name === providerName);
  return channel && provider && { channel, provider };
}
