import { isVerificationId, type VerificationId } from '#otp';

const PREFIX = 'VE';

/** Returns the SID of a verification: its 128 random bits as 32 hexadecimal digits. */
export function sidOf(id: VerificationId): string {
  return PREFIX + Buffer.from(id, 'base64url').toString('hex');
}

/** Returns the id of a verification; null for text that is not the SID of one. */
export function idOfSid(sid: string): VerificationId | null {
  if (!/^VE[0-9a-f]{32}$/.test(sid)) return null;
  const id = Buffer.from(sid.slice(PREFIX.length), 'hex').toString('base64url');
  return isVerificationId(id) ? id : null;
}
