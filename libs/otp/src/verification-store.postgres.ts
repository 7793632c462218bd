import { Injectable } from '@nestjs/common';
import { addTasks } from '#background';
import { inBatches, writesInBatches, writesInTurns } from '#batches';
import { Database, deleteExpired, EACH, type Numbered, numbered, perElement } from '#postgres';
import { APPROVABLE, attemptsPlus, restoredAttemptOf } from './approval.postgres.js';
import type { DeliveryChange } from './delivery.js';
import { NO_CHARGE, type Purpose, type VerificationId } from './verification.js';
import {
  insertOf,
  VERIFICATION_COLUMNS as ROW,
  UNCLAIMED,
  type VerificationRow,
  verificationOf,
} from './verification-columns.js';
import {
  type ClientAttempts,
  type CountedAttempt,
  clientsOf,
  created,
  KEPT_AFTER_EXPIRY_MS,
  MessageTask,
  type NewVerification,
  type QueuedMessage,
  type Resend,
  type StoredVerification,
  VerificationStore,
} from './verification-store.js';

const MS = `interval '1 millisecond'`;

/** The types of the parameters that are not text in the elements of `all`. */
const TYPES: Readonly<Record<string, string>> = {
  codeLength: 'smallint',
  maxAttempts: 'smallint',
  ttlMs: 'float8',
  resendAfterMs: 'float8',
  version: 'integer',
  added: 'smallint',
  retried: 'boolean',
  exhausts: 'boolean',
};
const OPEN = `status = 'pending' and attempts_left > 0 and expires_at > clock_timestamp() and ${UNCLAIMED}`;

/** One clock reading, so that all times of a new verification agree. */
const INSERT = `
  ${perElement(
    insertOf({
      id: ':id',
      purpose: ':purpose',
      phoneIndex: ':phoneIndex',
      phoneSealed: ':phoneSealed',
      sessionId: ':sessionId::uuid',
      apiClient: ':apiClient',
      name: ':name',
      locale: ':locale',
      appHash: ':appHash',
      device: ':device',
      tickets: 'array_remove(array[:ticket::text], null)',
      charges: `array[coalesce(:charge::text, '${NO_CHARGE}')]`,
      codeLength: ':codeLength',
      secretId: ':secretId',
      status: `'pending'`,
      attemptsLeft: ':maxAttempts',
      clients: ':clients::jsonb',
      attemptsBy: `'{}'`,
      createdAt: 'now',
      expiresAt: `now + :ttlMs * ${MS}`,
      resendAt: `now + :resendAfterMs * ${MS}`,
      messageCount: '1',
      route: { channel: ':channel', provider: ':provider' },
      delivery: {
        status: `'queued'`,
        reason: 'null',
        providerId: 'null',
        firstMessage: '1',
        retried: 'false',
        fallback: ':fallback',
        requestedAt: 'now',
        updatedAt: 'now',
        version: '1',
      },
    }),
    TYPES,
  )}
  from clock_timestamp() as now, ${EACH}
  returning id, sends as "messageCount", created_at as "createdAt"`;

const ADD_TASK = addTasks(`
  select id || '.' || "messageCount", :task::text, jsonb_build_object('id', id, 'send', "messageCount"), :maxTries::integer
    from queued`);

const CHANGE = `
  update verifications
     set sends = sends + :added, channel = :channel, delivery_sender = :provider,
         delivery_status = :status, delivery_reason = :reason, delivery_provider_id = :providerId,
         delivery_retried = :retried, delivery_fallback = :fallback,
         charges = case :added when 0 then charges else array_append(charges, :charge::text) end,
         delivery_requested_at = case :added when 0 then delivery_requested_at else clock_timestamp() end,
         delivery_updated_at = clock_timestamp(), delivery_version = delivery_version + 1`;
const IF_UNCHANGED = `
   where id = :id and delivery_version = :version
  returning id, sends as "messageCount", delivery_updated_at as "changedAt"`;

/** Also ends the tasks, in any process: the messages were sent, and another try would do nothing. */
const RECORD_SENT = `
  with changed as (
    ${perElement(CHANGE, TYPES)} from ${EACH} ${perElement(`${IF_UNCHANGED}, :sentMessage as sent`, TYPES)}
  ), ended as (
    delete from tasks using changed where tasks.id = changed.id || '.' || sent
  )
  select * from changed`;

const ATTEMPTED = `
  id, attempts_left as "attemptsLeft", attempts_by as "attemptsBy", delivery_version as "version",
  clock_timestamp() as "readAt"`;

const ATTEMPT = `
  update verifications
     set attempts_left = case when ${perElement(':exhausts', TYPES)} then 0 else attempts_left - 1 end
    from ${EACH} where ${perElement('id = :id', TYPES)} and ${OPEN} returning ${ATTEMPTED}`;

type Values = Readonly<Record<string, unknown>>;
type Element = Values & { readonly id: VerificationId };

interface Opened {
  readonly id: VerificationId;
  readonly createdAt: Date;
}

type Attempted = CountedAttempt & { readonly id: VerificationId };

interface Changed {
  readonly id: VerificationId;
  readonly changedAt: Date;
}

@Injectable()
export class PostgresVerificationStore extends VerificationStore {
  readonly addsTasks = true;
  readonly joinsSessions = true;
  private readonly prepared = new Map<string, Numbered>();
  private readonly findOne = inBatches(async (ids: readonly VerificationId[]) => {
    const found = new Map((await this.findAll(ids)).map((verification) => [verification.id, verification]));
    return ids.map((id) => found.get(id) ?? null);
  });

  private readonly insert = writesInBatches(idOf, (all) =>
    this.each<Opened>('verification-open', queueing(INSERT), all),
  );
  private readonly countAttempt = writesInTurns(idOf, (all) =>
    this.each<Attempted>('verification-attempt', ATTEMPT, all),
  );
  private readonly recordSent = writesInBatches(idOf, (all) =>
    this.each<Changed>('verification-sent', RECORD_SENT, all),
  );

  constructor(
    private readonly database: Database,
    private readonly task: MessageTask,
  ) {
    super();
  }

  /** Always, because the abuse policy counts messages on the same server: without it nothing is counted. */
  async ready(): Promise<void> {}

  async open(given: NewVerification): Promise<StoredVerification> {
    const { createdAt } = (await this.insert(valuesOf(given))) as Opened;
    return created(given, createdAt);
  }

  find(id: VerificationId) {
    return this.findOne(id);
  }

  findOpen(purpose: Purpose, phoneIndex: string, device: string | null) {
    return this.verifications(
      'verification-find-open',
      `select ${ROW} from verifications
        where purpose = :purpose and phone_index = :phoneIndex and device is not distinct from :device and ${OPEN}
        order by created_at desc limit 10`,
      { purpose, phoneIndex, device },
    );
  }

  findByNumber(phoneIndex: string, limit: number) {
    return this.verifications(
      'verification-find-by-number',
      `select ${ROW} from verifications where phone_index = :phoneIndex
        order by created_at desc limit :limit`,
      { phoneIndex, limit },
    );
  }

  async deleteByNumber(phoneIndex: string): Promise<void> {
    await this.rows(
      'verification-delete-by-number',
      `delete from verifications where id in (
         select id from verifications where phone_index = :phoneIndex order by id collate "C" for update)`,
      {
        phoneIndex,
      },
    );
  }

  async resend(
    id: VerificationId,
    {
      resendAfterMs,
      route,
      hasFallback,
      name = null,
      locale = null,
      appHash = null,
      ticket = null,
      charge,
      client,
    }: Resend,
  ): Promise<StoredVerification | null> {
    const queued = await this.queue<VerificationRow>(
      'verification-resend',
      `update verifications
          set sends = sends + 1, channel = :channel, delivery_sender = :provider,
              delivery_status = 'queued', delivery_reason = null, delivery_provider_id = null,
              delivery_first = sends + 1, delivery_retried = false,
              delivery_fallback = case when delivery_fallback = 'used' then 'used' else :fallback end,
              delivery_requested_at = clock_timestamp(), delivery_updated_at = clock_timestamp(),
              delivery_version = delivery_version + 1,
              resend_at = clock_timestamp() + :resendAfterMs * ${MS}, name = coalesce(:name, name),
              app_hash = coalesce(:appHash, app_hash), locale = coalesce(:locale, locale),
              tickets = tickets || array_remove(array[:ticket::text], null),
              charges = array_append(charges, :charge::text),
              clients = clients || :clients::jsonb
        where id = :id and ${OPEN} returning ${ROW}`,
      {
        ...{ id, resendAfterMs, ...route, fallback: fallbackOf(hasFallback), name, locale, appHash, ticket },
        charge: charge ?? NO_CHARGE,
        clients: JSON.stringify(clientsOf(client)),
      },
    );
    return queued && verificationOf(queued);
  }

  attempt(id: VerificationId, by: ClientAttempts | null = null) {
    return by === null ? this.countAttempt({ id, exhausts: false }) : this.attemptBy(id, by);
  }

  // The update decides the race: of two right answers only one still finds the verification unclaimed.
  async claim(id: VerificationId, leaseMs: number, by: ClientAttempts | null = null): Promise<boolean> {
    const claimed = await this.one(
      'verification-claim',
      `update verifications
          set claimed_until = clock_timestamp() + :leaseMs * ${MS},
              ${restoredAttemptOf(':client', ':group')}
        where id = :id and ${APPROVABLE} returning id`,
      { id, leaseMs, client: by?.client ?? null, group: by?.group?.name ?? null },
    );
    return claimed !== null;
  }

  async approve(id: VerificationId): Promise<void> {
    await this.one(
      'verification-approve',
      `update verifications set status = 'approved' where id = :id and status = 'pending' returning id`,
      { id },
    );
  }

  async release(id: VerificationId): Promise<void> {
    await this.one(
      'verification-release',
      `update verifications set claimed_until = null where id = :id and status = 'pending' returning id`,
      { id },
    );
  }

  /** It must not overtake attempts that began before it. */
  async exhaust(id: VerificationId): Promise<void> {
    await this.countAttempt({ id, exhausts: true });
  }

  async cancel(id: VerificationId): Promise<boolean> {
    const canceled = await this.one(
      'verification-cancel',
      `update verifications set status = 'canceled' where id = :id and ${OPEN} returning id`,
      { id },
    );
    return canceled !== null;
  }

  async changeDelivery(
    id: VerificationId,
    version: number,
    { addsMessage, route, ...delivery }: DeliveryChange,
    sentMessage: number | null = null,
  ): Promise<Date | null> {
    const added = addsMessage ? 1 : 0;
    const charge = delivery.charge ?? NO_CHARGE;
    const values = { id, version, added, sentMessage, ...route, ...delivery, charge };
    return (await this.change(values, addsMessage))?.changedAt ?? null;
  }

  queuedMessages(olderThanMs: number, limit: number, offset = 0): Promise<QueuedMessage[]> {
    return this.rows<QueuedMessage>(
      'verification-queued',
      `select id, sends as "messageNumber" from verifications
        where delivery_status = 'queued' and delivery_updated_at <= clock_timestamp() - :olderThanMs * ${MS}
        order by delivery_updated_at, id limit :limit offset :offset`,
      { olderThanMs, limit, offset },
    );
  }

  async overdue(olderThanMs: number, limit: number): Promise<VerificationId[]> {
    const rows = await this.rows<{ id: VerificationId }>(
      'verification-overdue',
      `select id from verifications
        where delivery_fallback = 'open' and delivery_status in ('queued', 'accepted')
          and delivery_requested_at <= clock_timestamp() - :olderThanMs * ${MS}
        order by delivery_requested_at limit :limit`,
      { olderThanMs, limit },
    );
    return rows.map(({ id }) => id);
  }

  async findAll(ids: readonly VerificationId[]): Promise<StoredVerification[]> {
    const text = `select ${ROW} from verifications where id = any(:ids)`;
    return this.verifications('verification-find-all', text, { ids });
  }

  async purge(): Promise<void> {
    await deleteExpired(this.database, 'verifications', KEPT_AFTER_EXPIRY_MS);
  }

  private change(values: Element, addsMessage: boolean): Promise<Changed | null> {
    const text = `${CHANGE} ${IF_UNCHANGED}`;
    if (addsMessage) return this.queue('verification-replace', text, values);
    if (values.sentMessage === null) return this.one('verification-delivery', text, values);
    return this.recordSent(values);
  }

  private attemptBy(id: VerificationId, { client, limit, group }: ClientAttempts) {
    return this.one<CountedAttempt>(
      'verification-attempt-by',
      `update verifications
          set attempts_by = ${attemptsPlus(1, ':client', ':group')}
        where id = :id and ${OPEN} and coalesce((attempts_by ->> :client)::int, 0) < :limit
          and (:group::text is null or coalesce((attempts_by ->> :group)::int, 0) < :groupLimit)
        returning ${ATTEMPTED}`,
      { id, client, limit, group: group?.name ?? null, groupLimit: group?.limit ?? 0 },
    );
  }

  /** Runs a statement that queues a message, and adds the task of the message. */
  private queue<Row extends object>(name: string, text: string, values: Values): Promise<Row | null> {
    return this.one(name, queueing(text), { ...values, ...this.ofTask });
  }

  /**
   * Runs a statement for every element, and returns the row of each; null if the statement changed none. Of elements
   * with the same id only the first one counts; the others find the verification changed.
   */
  private async each<Row extends { id: VerificationId }>(
    name: string,
    text: string,
    all: readonly Element[],
  ): Promise<(Row | null)[]> {
    const firsts = new Map(all.toReversed().map((element) => [element.id, element]));
    const counted = all.filter((element) => firsts.get(element.id) === element);
    const rows = await this.rows<Row>(name, text, { all: JSON.stringify(counted), ...this.ofTask });
    const changed = new Map<Element | undefined, Row>(rows.map((row) => [firsts.get(row.id), row]));
    return all.map((element) => changed.get(element) ?? null);
  }

  private get ofTask() {
    return { task: this.task.name, maxTries: this.task.maxTries };
  }

  private async one<Row extends object>(name: string, text: string, values: Values): Promise<Row | null> {
    return (await this.rows<Row>(name, text, values))[0] ?? null;
  }

  private async verifications(name: string, text: string, values: Values): Promise<StoredVerification[]> {
    return (await this.rows<VerificationRow>(name, text, values)).map(verificationOf);
  }

  private rows<Row extends object>(name: string, text: string, values: Values): Promise<Row[]> {
    const statement = this.prepared.get(name) ?? numbered(text);
    this.prepared.set(name, statement);
    return this.database.run<Row>(
      { name, text: statement.text },
      statement.names.map((parameter) => values[parameter]),
    );
  }
}

/** Returns the values of `INSERT`, among others. */
function valuesOf(given: NewVerification): Element {
  return {
    channel: given.route.channel,
    provider: given.route.provider,
    fallback: fallbackOf(given.hasFallback),
    clients: JSON.stringify(clientsOf(given.client)),
    ...given,
  };
}

/** Makes a statement that queues messages, and returns ids and numbers of messages, also add their tasks. */
function queueing(text: string): string {
  return `with queued as (${text}), task as (${ADD_TASK}) select * from queued`;
}

function idOf({ id }: Element): string {
  return id;
}

function fallbackOf(hasFallback: boolean): 'open' | 'none' {
  return hasFallback ? 'open' : 'none';
}
