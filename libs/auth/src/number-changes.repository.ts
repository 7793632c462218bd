import { Injectable } from '@nestjs/common';
import { NoticesRepository } from '#delivery';
import { CodeRejected, InvalidToken, RateLimited } from '#errors';
import { requestId } from '#events';
import { clientAddress } from '#logging';
import { APPROVABLE, approvalOf, type ProvenVerification } from '#otp';
import { maskPhoneNumber, type PhoneNumber } from '#phone';
import { Database, isUniqueViolation, type Statement, type Transaction } from '#postgres';
import { ActiveSessionsRepository, TokensRepository } from '#tokens';
import { type User, UsersRepository } from '#users';
import { addWebhooks, WebhookEvents } from '#webhooks';
import { RecycledNumbersRepository } from './recycled-numbers.repository.js';

/** More changes than a user needs. Each one costs a notice, and the limits know only the messages with codes. */
const MOST_A_DAY = 3;
const DAY_S = 86_400;

/** A proven number and the account that moves to it. */
export interface NumberChange {
  readonly user: User;
  readonly proven: ProvenVerification;
  readonly sessionId: string;
  /** The id of the notice to the number from before. */
  readonly noticeId: string;
}

interface RecentChanges {
  readonly count: number;
  readonly secondsLeft: number;
}

const RECENT_CHANGES: Statement = {
  name: 'number-changes-recent',
  text: `
    select count(*)::int as count, coalesce(extract(epoch from min(at) + interval '1 day' - now()), 0)::float8 as "secondsLeft"
      from events where user_id = $1 and kind = 'number_changed' and at > now() - interval '1 day'`,
};

/** In the order of the ids, like every statement that locks several sessions of a user. The user is locked after them. */
const LOCK_SESSIONS = `
  select id from sessions where user_id = $1 and ended_at is null and expires_at > now() order by id for update`;

const APPROVE = `
  update verifications set ${approvalOf('$2', '$3')} where id = $1 and ${APPROVABLE} returning id`;

/** A repeated change finds that the user has the number already. */
const MOVE = `
  update users set phone_index = $2, phone_sealed = $3, version = version + 1, last_used_at = now()
   where id = $1 and phone_index <> $2
  returning id`;

const RECORD = `
  with webhook as (${addWebhooks('$8', { phoneSealed: '$9' })}
  )
  insert into events (kind, user_id, session_id, phone_index, phone_masked, address, request_id, details)
  values ('number_changed', $1, $2, $3, $4, $5, $6, jsonb_build_object('from', $7::text))`;

/** Moves accounts to other phone numbers. */
@Injectable()
export class NumberChangesRepository {
  constructor(
    private readonly database: Database,
    private readonly sessions: ActiveSessionsRepository,
    private readonly tokens: TokensRepository,
    private readonly notices: NoticesRepository,
    private readonly users: UsersRepository,
    private readonly recycled: RecycledNumbersRepository,
    private readonly webhooks: WebhookEvents,
  ) {}

  /** @throws RateLimited, Unavailable */
  async admit({ id }: User): Promise<void> {
    const [recent] = await this.database.run<RecentChanges>(RECENT_CHANGES, [id]);
    requireFewer(recent);
  }

  /**
   * Returns true if no other account has the number, or only one that was not used for so long that it loses it.
   *
   * @throws Unavailable
   */
  async canTake({ id }: User, phoneNumber: PhoneNumber): Promise<boolean> {
    const holder = await this.users.otherHolderOf(phoneNumber, id);
    return holder === null || this.recycled.mayRelease(holder);
  }

  /**
   * Moves the account to the proven number, ends its other sessions and stores the notice, in one transaction. When it resolves,
   * every process answers with the new number.
   *
   * @throws CodeRejected if the number has got another account meanwhile, InvalidToken if the session has ended, RateLimited,
   * Unavailable.
   * Repeating the call after Unavailable is safe.
   */
  async move(change: NumberChange): Promise<void> {
    await this.commit(change, (transaction) => this.moveIn(transaction, change));
  }

  /**
   * Moves the account as `move` does, and approves the verification.
   *
   * @returns null when the verification cannot be approved, because it is not pending or another caller has claimed it.
   * @throws CodeRejected, InvalidToken, RateLimited, Unavailable
   */
  async moveApproving(change: NumberChange): Promise<true | null> {
    return this.commit(change, async (transaction) => {
      const { id, provenBy } = change.proven;
      const client = [provenBy?.client ?? null, provenBy?.group?.name ?? null];
      const [approved]: [unknown[]] = await transaction.query(APPROVE, [id, ...client]);
      if (approved.length === 0) return this.hasMoved(transaction, change);
      await this.moveIn(transaction, change);
      return true;
    });
  }

  /** Returns true if this same change was committed, but the connection was lost before the answer. */
  private async hasMoved(transaction: Transaction, { noticeId }: NumberChange): Promise<true | null> {
    const found: unknown[] = await transaction.query('select from notices where id = $1', [noticeId]);
    return found.length > 0 || null;
  }

  private async commit<T>(change: NumberChange, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const { user, proven } = change;
    try {
      const holder = await this.users.otherHolderOf(proven.phoneNumber, user.id);
      if (holder && this.recycled.mayRelease(holder)) await this.recycled.release(holder.id);
      const result = await this.database.transaction(work);
      this.webhooks.start();
      // After the commit: a look-up that begins now finds the new number, and no ended session.
      await this.tokens.forgetCopiesOf(user.id);
      return result;
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      // Another transaction has given the number to a user meanwhile.
      throw new CodeRejected(proven.attemptsLeft);
    }
  }

  private async moveIn(transaction: Transaction, change: NumberChange): Promise<void> {
    const { user, proven, sessionId, noticeId } = change;
    const { phoneNumber } = proven;
    const { phoneIndex, phoneSealed } = this.users.draft(phoneNumber, null);
    const live: { id: string }[] = await transaction.query(LOCK_SESSIONS, [user.id]);
    if (!live.some(({ id }) => id === sessionId)) throw new InvalidToken();
    await this.sessions.endOthersIn(transaction, user.id, sessionId, 'number_changed');
    const [moved]: [unknown[]] = await transaction.query(MOVE, [user.id, phoneIndex, phoneSealed]);
    if (moved.length === 0) return;
    // Again: several changes may have been requested at once. The lock lets one of them go on at a time.
    const [recent]: RecentChanges[] = await transaction.query(RECENT_CHANGES.text, [user.id]);
    requireFewer(recent);
    const masks = { to: maskPhoneNumber(phoneNumber), from: maskPhoneNumber(user.phoneNumber) };
    await transaction.query(RECORD, [
      ...[user.id, sessionId, phoneIndex, masks.to, clientAddress(), requestId(), masks.from],
      ...[this.webhookOf(change, masks.to), phoneSealed],
    ]);
    await this.notices.add(transaction, noticeId, user.id, user.phoneNumber);
  }

  private webhookOf({ user, proven, sessionId }: NumberChange, phone_number: string): string | null {
    const { id: verification_id, purpose, route } = proven;
    const verification = { verification_id, purpose, channel: route.channel };
    const data = { ...verification, user_id: user.id, session_id: sessionId, phone_number };
    return this.webhooks.valueOf({ type: 'verification.approved', data });
  }
}

/** @throws RateLimited */
function requireFewer(recent: RecentChanges | undefined): void {
  if (!recent || recent.count < MOST_A_DAY) return;
  const secondsLeft = Math.min(DAY_S, Math.max(1, Math.ceil(recent.secondsLeft)));
  throw new RateLimited('number_changes_per_user', secondsLeft);
}
