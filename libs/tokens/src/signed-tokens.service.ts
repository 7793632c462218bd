import { Injectable, Logger } from '@nestjs/common';
import { importJWK, type JWK, SignJWT } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { SIGNING_ALGORITHM, type SigningKey, SigningKeysRepository } from './signing-keys.repository.js';
import { planSigning, SIGNED_TOKEN_TTL_MS, type SigningPlan } from './signing-plan.js';
import type { Scope } from './token.js';

/** Every process reads the keys again after this time, so that all publish a new key within a minute. */
const READ_AGAIN_AFTER_MS = 30_000;

/** The client of RFC 9068, section 2.2: users sign in to this server itself. */
const CLIENT_ID = 'latchkey';

/** The header `typ` of a proof, and its lifetime. */
const PROOF_TYPE = 'verification+jwt';
const PROOF_TTL_MS = 5 * 60_000;

/** The claims of a signed token that depend on the request. */
export interface SignedTokenClaims {
  readonly issuer: string;
  readonly audience: string;
  readonly userId: string;
  readonly sessionId: string | null;
  readonly scope: Scope;
}

/** The claims of a proof. */
export interface ProofClaims {
  readonly issuer: string;
  /** The client that the number was proven to. */
  readonly audience: string;
  /** In E.164 form. */
  readonly phoneNumber: string;
  /** Identifies the proof: each verification has one. */
  readonly verificationId: string;
}

export interface SignedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
}

/**
 * Signs access tokens (RFC 9068) that other services verify without asking this server, and publishes the keys. The keys
 * are rotated when a request finds that it is time.
 */
@Injectable()
export class SignedTokensService {
  private readonly logger = new Logger('Operations');
  private plan: Promise<SigningPlan<SigningKey>> | null = null;
  private readAgainAt = 0;
  private readonly imported = new Map<string, ReturnType<typeof importJWK>>();

  constructor(private readonly keys: SigningKeysRepository) {}

  /** @throws Unavailable */
  async sign({ issuer, audience, userId, sessionId, scope }: SignedTokenClaims): Promise<SignedToken> {
    const session = sessionId === null ? {} : { sid: sessionId };
    const expiresInSeconds = SIGNED_TOKEN_TTL_MS / 1_000;
    const jwt = new SignJWT({ client_id: CLIENT_ID, scope, ...session })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(userId)
      .setJti(uuidv7());
    return { token: await this.signed(jwt, 'at+jwt', expiresInSeconds), expiresInSeconds };
  }

  /**
   * Signs the proof that a number was verified. Its type keeps it apart from access tokens (RFC 8725, section 3.11).
   *
   * @throws Unavailable
   */
  signProof({ issuer, audience, phoneNumber, verificationId }: ProofClaims): Promise<string> {
    const jwt = new SignJWT()
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(phoneNumber)
      .setJti(verificationId);
    return this.signed(jwt, PROOF_TYPE, PROOF_TTL_MS / 1_000);
  }

  /**
   * Returns the public keys (RFC 7517).
   *
   * @throws Unavailable
   */
  async publicKeys(): Promise<readonly JWK[]> {
    return (await this.currentPlan()).published.map(({ publicJwk }) => publicJwk);
  }

  /**
   * Creates the next key at once. Returns its id.
   *
   * @throws Unavailable
   */
  async rotate(): Promise<string> {
    const kid = await this.keys.create(0);
    this.logger.log({ msg: 'an operator created a signing key', event: 'signing_key_created', kid });
    return kid;
  }

  private async signed(jwt: SignJWT, typ: string, lifeSeconds: number): Promise<string> {
    const { signing } = await this.currentPlan();
    if (!signing) throw new Error('there is no signing key');
    const issuedAt = Math.floor(Date.now() / 1_000);
    return jwt
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ, kid: signing.kid })
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + lifeSeconds)
      .sign(await this.privateKeyOf(signing));
  }

  /** Requests share a read. One that fails is repeated by the next request. */
  private currentPlan(): Promise<SigningPlan<SigningKey>> {
    const now = performance.now();
    if (this.plan === null || now >= this.readAgainAt) {
      this.readAgainAt = now + READ_AGAIN_AFTER_MS;
      const read = this.readPlan();
      this.plan = read;
      read.catch(() => {
        if (this.plan === read) this.plan = null;
      });
    }
    return this.plan;
  }

  private async readPlan(): Promise<SigningPlan<SigningKey>> {
    let keys = await this.keys.list();
    if (planSigning(keys).needsKey) {
      await this.keys.create();
      keys = await this.keys.list();
    }
    const plan = planSigning(keys);
    const unused = keys.filter((key) => !plan.published.includes(key) && key !== plan.signing);
    await this.keys.delete(unused.map(({ kid }) => kid));
    for (const { kid } of unused) this.imported.delete(kid);
    return plan;
  }

  private privateKeyOf(key: SigningKey): ReturnType<typeof importJWK> {
    const imported = this.imported.get(key.kid) ?? importJWK(this.keys.privateJwkOf(key), SIGNING_ALGORITHM);
    this.imported.set(key.kid, imported);
    return imported;
  }
}
