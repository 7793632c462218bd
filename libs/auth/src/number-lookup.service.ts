import { Injectable, Logger } from '@nestjs/common';
import { NumberStatusService } from '#abuse';
import { BadNumbersRepository } from '#delivery';
import { EventsRepository } from '#events';
import { Keys } from '#keys';
import { VerificationService } from '#otp';
import type { PhoneNumber } from '#phone';
import { UsersRepository } from '#users';
import { type NumberReport, numberReportOf } from './number-report.js';

/** Looks a number up for operators. Counts and changes nothing but the record of events. */
@Injectable()
export class NumberLookupService {
  private readonly logger = new Logger('Operations');

  constructor(
    private readonly verifications: VerificationService,
    private readonly numbers: NumberStatusService,
    private readonly badNumbers: BadNumbersRepository,
    private readonly users: UsersRepository,
    private readonly keys: Keys,
    private readonly events: EventsRepository,
  ) {}

  /**
   * Returns what happened to the messages of the number, and what limits the next one. Every lookup is logged and recorded.
   *
   * @throws Unavailable
   */
  async lookUp(phoneNumber: PhoneNumber): Promise<NumberReport> {
    const numberHash = this.keys.phoneIndexOf(phoneNumber);
    this.logger.log({ msg: 'number looked up', event: 'number_looked_up', number_hash: numberHash });
    await this.events.record('number_looked_up', { phoneIndex: numberHash });
    const [verifications, status, badRoutes, user] = await Promise.all([
      this.verifications.findByNumber(phoneNumber),
      this.numbers.of(phoneNumber),
      this.badNumbers.routesOf(phoneNumber),
      this.users.findByNumber(phoneNumber),
    ]);
    const isTestNumber = this.verifications.isTestNumber(phoneNumber);
    return numberReportOf({ phoneNumber, numberHash, isTestNumber, user, verifications, badRoutes, status });
  }
}
