import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { Unavailable } from '#errors';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A secret of the operator's together with the short public name that records refer to it by. */
export interface NamedSecret {
  readonly id: string;
  readonly bytes: Buffer;
}

/** The id is one-way: it can stand in a database column without weakening the secret. */
export function nameSecret(secret: string): NamedSecret {
  const bytes = Buffer.from(secret, 'utf8');
  return { id: derive(bytes, 'secret id', 6).toString('hex'), bytes };
}

/** HKDF-SHA-256 (RFC 5869): one secret, as many independent keys as there are purposes. */
export function derive(secret: Buffer, purpose: string, bytes = 32): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `latchkey/${purpose}`, bytes));
}

/** AES-256-GCM (NIST SP 800-38D): nonce, tag, ciphertext. `context` must be the same when it is opened. */
export function seal(key: Buffer, plaintext: Buffer, context: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
}

/** @throws when the key or the context is another one, or a bit was changed. */
export function unseal(key: Buffer, sealed: Buffer, context: string): Buffer {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  // Without the length a tag cut down to four bytes would do.
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(context))
    .setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
}

/**
 * What the operator's secret unlocks. Phone numbers are long-lived, so they hang on a data key that a new
 * SECRET merely wraps anew; codes live for minutes, so they hang on SECRET itself.
 */
export class Keys {
  private readonly sealingKey: Buffer;
  private readonly indexKey: Buffer;

  constructor(
    private readonly dataKey: Buffer,
    private readonly current: NamedSecret,
    private readonly previous: NamedSecret | null = null,
  ) {
    this.sealingKey = derive(dataKey, 'sealed phone number');
    this.indexKey = derive(dataKey, 'phone number index');
  }

  /** Names the secret that new codes are derived from. */
  get secretId(): string {
    return this.current.id;
  }

  /** A key for one purpose that outlives SECRET: what it signed stays good when SECRET is replaced. */
  purposeKey(purpose: string): Buffer {
    return derive(this.dataKey, purpose);
  }

  /** The same for the same number, and only for it; says nothing about the number without the key. */
  indexOf(phoneNumber: string): string {
    return createHmac('sha256', this.indexKey).update(phoneNumber).digest('base64url');
  }

  /** @param context what it is: nothing can be opened as something else. */
  seal(text: string, context = 'phone number'): string {
    return seal(this.sealingKey, Buffer.from(text), context).toString('base64url');
  }

  /** @throws when it was changed, or is something else. */
  unseal(sealed: string, context = 'phone number'): string {
    return unseal(this.sealingKey, Buffer.from(sealed, 'base64url'), context).toString();
  }

  /**
   * The key of one verification's code, bound to its id and its number.
   *
   * @throws Unavailable when the code was made under a secret this process was not given.
   */
  codeKey(secretId: string, verificationId: string, phoneNumber: string): Buffer {
    const secret = [this.current, this.previous].find((candidate) => candidate?.id === secretId);
    if (!secret) throw new Unavailable('secret');
    return derive(secret.bytes, `code/${verificationId}/${phoneNumber}`);
  }
}
