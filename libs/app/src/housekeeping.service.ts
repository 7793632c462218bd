import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { SendPolicyService } from '#abuse';
import { SessionService } from '#auth';
import { BackgroundService } from '#background';
import { BadNumbersRepository } from '#delivery';
import { EventsRepository } from '#events';
import { IdempotencyService } from '#idempotency';
import { VerificationService } from '#otp';

const EVERY_MS = 10 * 60_000;

/** Deletes expired rows, one kind after the other, so that they use one connection. */
@Injectable()
export class HousekeepingService implements OnModuleInit {
  private readonly logger = new Logger('Housekeeping');

  constructor(
    private readonly background: BackgroundService,
    private readonly verifications: VerificationService,
    private readonly sessions: SessionService,
    private readonly sendPolicy: SendPolicyService,
    private readonly badNumbers: BadNumbersRepository,
    private readonly idempotency: IdempotencyService,
    private readonly events: EventsRepository,
  ) {}

  onModuleInit(): void {
    this.background.every(EVERY_MS, 'delete expired rows', () => this.deleteExpired());
  }

  /** The failure of one kind does not keep the others. */
  async deleteExpired(): Promise<void> {
    const kinds = {
      verifications: this.verifications,
      'tokens and sessions': this.sessions,
      'limits and abuse states': this.sendPolicy,
      'bad numbers': this.badNumbers,
      'idempotent answers': this.idempotency,
      events: this.events,
    };
    for (const [name, rows] of Object.entries(kinds)) {
      try {
        await rows.purge();
      } catch (failure) {
        this.logger.warn(`expired ${name} were not deleted: ${(failure as Error).message}`);
      }
    }
  }
}
