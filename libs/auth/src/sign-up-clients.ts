import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { clientAddressOf, type GuessingClient, HOLDER_OF_ID, type Requester } from '#abuse';
import { Keys } from '#keys';
import type { NewClient, Verification } from '#otp';

const ID_BYTES = 16;
const TAG_BYTES = 16;

/** The client that guesses at the code of a sign-up, and the name that it gave when it requested the code. */
export interface SignUpGuesser extends GuessingClient {
  readonly name: string | null;
}

/**
 * Tells the clients of one sign-up apart, because anyone who knows a number can request and guess its code. A client is
 * recognised by the token of its cookie, or by its address. Only keyed hashes of both are stored.
 */
@Injectable()
export class SignUpClients {
  private readonly key: Buffer;

  constructor(keys: Keys) {
    this.key = keys.purposeKey('sign-up client');
  }

  /** Returns the requester's token if this server issued it, otherwise a new one. */
  tokenFor({ signUpToken }: Requester): string {
    if (signUpToken && this.isOurs(signUpToken)) return signUpToken;
    const id = randomBytes(ID_BYTES);
    return Buffer.concat([id, this.tagOf(id)]).toString('base64url');
  }

  /** Returns the client that requests a code, with the name that it gave before. */
  requesting(token: string, { address }: Requester, open: readonly Verification[]): NewClient {
    const id = this.hashOf('token', token);
    const before = open.find(({ clients }) => Object.hasOwn(clients, id));
    const earlier = open.flatMap(({ clients }) => Object.values(clients)).map(({ nth }) => nth);
    return {
      id,
      address: this.addressHashOf(address),
      name: before?.clients[id]?.name ?? null,
      nth: Math.max(0, ...earlier) + 1,
    };
  }

  /**
   * Returns false if the client has used its attempts at the verification, so that another message of it would be of no use.
   * A client that drops its cookie gets no more attempts at the same code: those of its address count as its own.
   */
  hasAttempts(
    { attemptsBy, clients }: Verification,
    { id, address }: NewClient,
    maxAttempts: number,
  ): boolean {
    const neighbours = Object.keys(clients).filter((other) => clients[other]?.address === address);
    const keys = [addressKey(address), tokenKey(id), ...neighbours.map(tokenKey)];
    return keys.every((key) => (attemptsBy[key] ?? 0) < maxAttempts);
  }

  /** Returns the client of the verification that the requester is. */
  guessing(verification: Verification, { signUpToken, address }: Requester): SignUpGuesser {
    const { clients, device } = verification;
    // Found by the device that opened it, so it has no other client.
    if (device !== null) return { ...HOLDER_OF_ID, name: verification.name };
    const id = signUpToken === null ? '' : this.hashOf('token', signUpToken);
    const byToken = Object.hasOwn(clients, id) ? clients[id] : undefined;
    if (byToken) return { key: tokenKey(id), hasRequested: true, name: byToken.name };
    const from = this.addressHashOf(address);
    const neighbours = Object.values(clients)
      .filter((client) => client.address === from)
      .toSorted((a, b) => b.nth - a.nth);
    if (neighbours.length === 0) return { key: `other:${from}`, hasRequested: false, name: null };
    // A client without cookies is its address: the name that came last from there counts.
    const named = neighbours.find(({ name }) => name !== null);
    return { key: addressKey(from), hasRequested: true, name: named?.name ?? null };
  }

  /**
   * Returns the newest verification whose code this client requested, otherwise the newest one.
   *
   * @param open newest first.
   */
  choose(open: readonly Verification[], requester: Requester): Verification | null {
    const own = open.find((verification) => this.guessing(verification, requester).hasRequested);
    return own ?? open[0] ?? null;
  }

  private isOurs(token: string): boolean {
    const bytes = Buffer.from(token, 'base64url');
    if (bytes.length !== ID_BYTES + TAG_BYTES || bytes.toString('base64url') !== token) return false;
    return timingSafeEqual(this.tagOf(bytes.subarray(0, ID_BYTES)), bytes.subarray(ID_BYTES));
  }

  private tagOf(id: Buffer): Buffer {
    return createHmac('sha256', this.key).update('tag/').update(id).digest().subarray(0, TAG_BYTES);
  }

  private addressHashOf(address: string): string {
    return this.hashOf('address', clientAddressOf(address).client);
  }

  private hashOf(kind: 'token' | 'address', text: string): string {
    return createHmac('sha256', this.key).update(`${kind}/${text}`).digest('base64url').slice(0, 22);
  }
}

function tokenKey(id: string): string {
  return `token:${id}`;
}

function addressKey(address: string): string {
  return `address:${address}`;
}
