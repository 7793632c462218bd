import { createHmac } from 'node:crypto';

/**
 * HOTP (RFC 4226, section 5.3): HMAC-SHA-1 of the counter, truncated to decimal digits.
 *
 * @param digits 6 to 10. The truncated value has 31 bits, so a tenth digit is 0, 1 or 2.
 */
export function hotp(key: Buffer, counter: bigint, digits: number): string {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(counter);
  const mac = createHmac('sha1', key).update(message).digest();
  const offset = mac.readUInt8(mac.length - 1) & 0x0f;
  const truncated = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return (truncated % 10 ** digits).toString().padStart(digits, '0');
}
