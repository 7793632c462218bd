import type { PipeTransform } from '@nestjs/common';
import { InvalidRequest, NotFound } from '#errors';
import { addToLog } from '#logging';
import { isVerificationId, referenceOf, type VerificationId } from '#otp';

/** Shorter than the time limits of proxies and of this server. */
export const LONGEST_WAIT_SECONDS = 20;

/** Text that does not have the form of an id is answered like an unknown id. */
export const asVerificationId: PipeTransform<string, VerificationId> = {
  transform(id) {
    if (!isVerificationId(id)) throw new NotFound('verification');
    addToLog({ verification: referenceOf(id) });
    return id;
  },
};

export const asWaitSeconds: PipeTransform<unknown, number> = {
  transform(text = '0') {
    const seconds = /^\d{1,2}$/.test(String(text)) ? Number(text) : Number.NaN;
    if (seconds <= LONGEST_WAIT_SECONDS) return seconds;
    throw new InvalidRequest(`\`wait\` must be a whole number of seconds from 0 to ${LONGEST_WAIT_SECONDS}`);
  },
};
