import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Unavailable } from '#errors';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The operator's secret, with the short public id by which records refer to it. */
export interface NamedSecret {
  readonly id: string;
  readonly bytes: Buffer;
}

/** Names a secret by a one-way id, which can be stored in a database column without weakening the secret. */
export function nameSecret(secret: string): NamedSecret {
  const bytes = Buffer.from(secret, 'utf8');
  return { id: derive(bytes, 'secret id', 6).toString('hex'), bytes };
}

/** HKDF-SHA-256 (RFC 5869): derives an independent key for each purpose from one secret. */
export function derive(secret: Buffer, purpose: string, bytes = 32): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `latchkey/${purpose}`, bytes));
}

/** AES-256-GCM (NIST SP 800-38D): nonce, tag, ciphertext. `context` must be the same when it is unsealed. */
export function seal(key: Buffer, plaintext: Buffer, context: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
}

/** @throws when the key or the context differs, or a bit was changed. */
export function unseal(key: Buffer, sealed: Buffer, context: string): Buffer {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  // Without authTagLength Node accepts a tag truncated to four bytes.
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(context))
    .setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
}

/**
 * The keys derived from SECRET. Phone numbers are long-lived: their keys derive from the data key, which is only
 * wrapped again when SECRET is replaced. Codes live for minutes: their keys derive from SECRET itself.
 */
export class Keys {
  private readonly sealingKey: Buffer;
  /** A request needs the index of its number ten times. Forgotten after a second, as the kinds of numbers are. */
  private readonly indexes: LRUCache<string, string>;

  constructor(
    private readonly dataKey: Buffer,
    private readonly current: NamedSecret,
    private readonly previous: NamedSecret | null = null,
  ) {
    this.sealingKey = derive(dataKey, 'sealed phone number');
    const indexKey = derive(dataKey, 'phone number index');
    const indexOf = (phoneNumber: string) =>
      createHmac('sha256', indexKey).update(phoneNumber).digest('base64url');
    this.indexes = new LRUCache({ max: 1_000, ttl: 1_000, memoMethod: indexOf });
  }

  /** The id of the secret that new codes are derived from. */
  get secretId(): string {
    return this.current.id;
  }

  /** Returns a key for one purpose. It derives from the data key, so signatures stay valid when SECRET is replaced. */
  purposeKey(purpose: string): Buffer {
    return derive(this.dataKey, purpose);
  }

  /** Returns the phone index: a keyed hash that finds a phone number without revealing it. */
  phoneIndexOf(phoneNumber: string): string {
    return this.indexes.memo(phoneNumber);
  }

  /** @param context the kind of text: it cannot be unsealed as another kind. */
  seal(text: string, context = 'phone number'): string {
    return seal(this.sealingKey, Buffer.from(text), context).toString('base64url');
  }

  /** @throws when the text was changed or sealed in another context. */
  unseal(sealed: string, context = 'phone number'): string {
    return unseal(this.sealingKey, Buffer.from(sealed, 'base64url'), context).toString();
  }

  /**
   * Returns the key of one verification's code, bound to its id and phone number.
   *
   * @throws Unavailable when the code derives from a secret that this process does not have.
   */
  codeKey(secretId: string, verificationId: string, phoneNumber: string): Buffer {
    const secret = [this.current, this.previous].find((candidate) => candidate?.id === secretId);
    if (!secret) throw new Unavailable('secret');
    return derive(secret.bytes, `code/${verificationId}/${phoneNumber}`);
  }
}
