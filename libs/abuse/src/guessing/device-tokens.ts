import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Keys } from '#keys';

const ID_BYTES = 16;
const TIME_BYTES = 6;
const TAG_BYTES = 32;

/** The longest lifetime of a cookie in browsers (RFC 6265bis). */
export const DEVICE_TOKEN_TTL_MS = 400 * 86_400_000;

/** A device that has signed in on a number. */
export interface Device {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
}

/**
 * Issues and checks device tokens, which prove that a device has signed in on a number. A token consists of the device's
 * id, the time, and an HMAC-SHA-256 of both and the phone index, which the token itself does not contain.
 */
@Injectable()
export class DeviceTokens {
  private readonly key: Buffer;

  constructor(keys: Keys) {
    this.key = keys.purposeKey('device token');
  }

  issue(phoneIndex: string, now: number, id = randomBytes(ID_BYTES).toString('base64url')): string {
    const time = Buffer.alloc(TIME_BYTES);
    time.writeUIntBE(now, 0, TIME_BYTES);
    const body = Buffer.concat([Buffer.from(id, 'base64url'), time]);
    return Buffer.concat([body, this.tag(phoneIndex, body)]).toString('base64url');
  }

  /** Returns null for a token that is malformed, forged, expired or for another number. */
  read(token: string, phoneIndex: string, now: number): Device | null {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length !== ID_BYTES + TIME_BYTES + TAG_BYTES || bytes.toString('base64url') !== token)
      return null;
    const body = bytes.subarray(0, ID_BYTES + TIME_BYTES);
    if (!timingSafeEqual(this.tag(phoneIndex, body), bytes.subarray(ID_BYTES + TIME_BYTES))) return null;
    const issuedAt = body.readUIntBE(ID_BYTES, TIME_BYTES);
    if (issuedAt <= now - DEVICE_TOKEN_TTL_MS) return null;
    return { id: body.subarray(0, ID_BYTES).toString('base64url'), issuedAt };
  }

  private tag(phoneIndex: string, body: Buffer): Buffer {
    return createHmac('sha256', this.key).update(`${phoneIndex}/`).update(body).digest();
  }
}
