import { Injectable } from '@nestjs/common';
import type { TaskReading } from '#background';
import { NotFound } from '#errors';
import type { Failure } from '#messaging';
import {
  VERIFICATION_COLUMNS,
  type Verification,
  type VerificationId,
  type VerificationRow,
  VerificationService,
} from '#otp';
import type { BadNumberEntity } from './bad-number.entity.js';
import { BadNumbersRepository, failureFrom } from './bad-numbers.repository.js';
import { SEND_CODE } from './delivery.service.js';

/** A message as it is before it is sent. */
export interface QueuedMessage {
  readonly verification: Verification;
  /**
   * Returns how the number failed by the message's route; null when it is not known to be bad.
   *
   * @throws Unavailable
   */
  knownFailure(): Promise<Failure | null>;
}

/**
 * Reads the verification of a message, and whether its number is bad, with the task that sends it. The limits keep Postgres
 * from another plan than one look-up by a primary key for each task.
 */
export const QUEUED_MESSAGE: TaskReading = {
  columns: 'verification.*, bad_number.failure as "badNumber"',
  joins: `
    left join lateral (
      select ${VERIFICATION_COLUMNS} from verifications
       where taken.name = '${SEND_CODE.name}' and id = taken.data ->> 'id' limit 1
    ) as verification on true
    left join lateral (
      select failure from bad_numbers
       where phone_index = verification."phoneIndex" and channel = verification."route.channel"
         and sender = verification."route.provider" and expires_at > clock_timestamp() limit 1
    ) as bad_number on true`,
};

/** A row of `QUEUED_MESSAGE`. The columns of a verification are null if there is none. */
interface Row extends VerificationRow {
  readonly badNumber: BadNumberEntity['failure'] | null;
}

/** Reads messages that are about to be sent. */
@Injectable()
export class QueuedMessagesRepository {
  constructor(
    private readonly verifications: VerificationService,
    private readonly badNumbers: BadNumbersRepository,
  ) {}

  /**
   * @param reading of `QUEUED_MESSAGE`, if the task was taken with it.
   * @throws NotFound, Unavailable
   */
  async read(id: VerificationId, reading?: object): Promise<QueuedMessage> {
    if (reading) return this.fromRow(id, reading as Row);
    const verification = await this.verifications.get(id);
    const { phoneNumber, route } = verification;
    return { verification, knownFailure: () => this.badNumbers.failureOf(phoneNumber, route) };
  }

  private fromRow(id: VerificationId, { badNumber, ...row }: Row): QueuedMessage {
    if (row.id !== id) throw new NotFound('verification');
    const failure = badNumber && failureFrom(badNumber);
    return { verification: this.verifications.fromRow(row), knownFailure: async () => failure };
  }
}
