import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Keys } from '#keys';

const ID_BYTES = 16;
const TIME_BYTES = 6;
const TAG_BYTES = 32;

/** The longest that browsers keep a cookie (RFC 6265bis). */
export const DEVICE_TOKEN_TTL_MS = 400 * 86_400_000;

/** A device that signed in on a number before. */
export interface Device {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
}

/**
 * Says "this device has signed in on this number before": the device's id, the time, and an HMAC-SHA-256 of both with
 * the number, which itself is not in it.
 */
export class DeviceTokens {
  private readonly key: Buffer;

  constructor(keys: Keys) {
    this.key = keys.purposeKey('device token');
  }

  /** @param number stands for the number that the device signed in on. */
  issue(number: string, now: number, id = randomBytes(ID_BYTES).toString('base64url')): string {
    const time = Buffer.alloc(TIME_BYTES);
    time.writeUIntBE(now, 0, TIME_BYTES);
    const body = Buffer.concat([Buffer.from(id, 'base64url'), time]);
    return Buffer.concat([body, this.tag(number, body)]).toString('base64url');
  }

  /** Null for whatever is no token for this number: malformed, forged, expired, another number's. */
  read(token: string, number: string, now: number): Device | null {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length !== ID_BYTES + TIME_BYTES + TAG_BYTES || bytes.toString('base64url') !== token)
      return null;
    const body = bytes.subarray(0, ID_BYTES + TIME_BYTES);
    if (!timingSafeEqual(this.tag(number, body), bytes.subarray(ID_BYTES + TIME_BYTES))) return null;
    const issuedAt = body.readUIntBE(ID_BYTES, TIME_BYTES);
    if (issuedAt <= now - DEVICE_TOKEN_TTL_MS) return null;
    return { id: body.subarray(0, ID_BYTES).toString('base64url'), issuedAt };
  }

  private tag(number: string, body: Buffer): Buffer {
    return createHmac('sha256', this.key).update(`${number}/`).update(body).digest();
  }
}
