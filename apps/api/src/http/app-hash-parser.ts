import { Injectable } from '@nestjs/common';
import { InvalidRequest } from '#errors';
import { MessagingOptions } from '#messaging';

/** Parses the `app_hash` of a request. Only configured hashes are valid: a message must not name a foreign app. */
@Injectable()
export class AppHashParser {
  constructor(private readonly options: MessagingOptions) {}

  /**
   * Returns null if none is given.
   *
   * @throws InvalidRequest that points at `app_hash` in the body.
   */
  parse(appHash?: string | null): string | null {
    if (appHash === undefined || appHash === null) return null;
    if (this.options.autofill.appHashes.includes(appHash)) return appHash;
    const detail = 'must be one of the hashes in SMS_APP_HASHES of this server';
    throw new InvalidRequest('the app is not known', [{ pointer: '/app_hash', detail }]);
  }
}
