import type { PipeTransform } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import { InvalidRequest, NotFound } from '#errors';

export const LONGEST_PAGE = 200;
const USUAL_PAGE = 50;

/** Text that does not have the form of an id is answered like an unknown id. */
export const asSessionId: PipeTransform<string, string> = {
  transform(id) {
    if (!isUuid(id)) throw new NotFound('session');
    return id;
  },
};

export const asCursor: PipeTransform<unknown, string | null> = {
  transform(text = null) {
    if (text === null || isUuid(text)) return text as string | null;
    throw new InvalidRequest('`cursor` must be the `next_cursor` of an earlier answer');
  },
};

export const asPageSize: PipeTransform<unknown, number> = {
  transform(text = String(USUAL_PAGE)) {
    const size = /^\d{1,3}$/.test(String(text)) ? Number(text) : 0;
    if (size >= 1 && size <= LONGEST_PAGE) return size;
    throw new InvalidRequest(`\`limit\` must be a whole number from 1 to ${LONGEST_PAGE}`);
  },
};

/** The sessions to end. */
export type SessionsToEnd = 'others' | 'all';

export const asSessionsToEnd: PipeTransform<unknown, SessionsToEnd> = {
  transform(text) {
    if (text === undefined) return 'others';
    if (text === 'current') return 'all';
    throw new InvalidRequest('`include` must be `current`');
  },
};
