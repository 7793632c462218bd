import { Clock } from '#abuse';
import { type RunningApi, startApi, startReplica } from './api.js';
import type { Answer } from './client.js';
import type { Mode } from './databases.js';
import { countRedisKeys, emptyRedis } from './dumps.js';
import { BRIEF_COOL_DOWN, OPERATOR_TOKEN } from './settings.js';
import { inboxMessages, untilCooledDown } from './verifications.js';
import { waitFor } from './wait.js';

/** The default policy, except for long cool-downs. */
const STRICT = { ...BRIEF_COOL_DOWN, BREAKER_MODE: 'enforce', OPERATOR_TOKEN };

/** Watches cool-downs without enforcing them, for tests that need many messages to one number. */
export const NO_COOL_DOWN = { LIMIT_MODE: 'cool_down' };

/** A server with the abuse policy that one test starts. */
export class AbuseApi {
  /** Accepted messages by number. */
  private readonly accepted = new Map<string, number>();

  private constructor(private readonly api: RunningApi) {}

  static async start(mode: Mode, variables: Record<string, string> = {}): Promise<AbuseApi> {
    return new AbuseApi(await startApi(mode, { ...STRICT, ...variables }));
  }

  async replica(): Promise<AbuseApi> {
    return new AbuseApi(await startReplica(this.api));
  }

  get client() {
    return this.api.client;
  }

  get database() {
    return this.api.database;
  }

  /** Returns the number of keys in the server's Redis; zero without one. */
  async redisKeys(): Promise<number> {
    const { redisUrl } = this.api.config;
    return redisUrl === null ? 0 : countRedisKeys(redisUrl);
  }

  /** Deletes the data in the server's Redis, if it has one. */
  async loseRedis(): Promise<void> {
    const { redisUrl } = this.api.config;
    if (redisUrl !== null) await emptyRedis(redisUrl);
  }

  codeFor(phoneNumber: string): Promise<string> {
    return this.api.codeFor(phoneNumber);
  }

  stop(): Promise<void> {
    return this.api.stop();
  }

  /** Returns a function that moves the clock of the abuse policy, and no other clock, forward. */
  travel(): (ms: number) => void {
    let ahead = 0;
    jest.spyOn(this.api.nest.get(Clock), 'now').mockImplementation(() => Date.now() + ahead);
    return (ms) => {
      ahead += ms;
    };
  }

  /** Requests a verification, and waits for the cool-down if need be. */
  async request(phone_number: string, more: object = {}, headers = {}): Promise<Answer> {
    const answer = await untilCooledDown(() =>
      this.client.post('/v1/verifications', { phone_number, ...more }, headers),
    );
    if (answer.status === 202) this.accepted.set(phone_number, (this.accepted.get(phone_number) ?? 0) + 1);
    return answer;
  }

  async open(phone_number: string, more: object = {}): Promise<Answer['body']> {
    const { status, body } = await this.request(phone_number, more);
    expect(body).toMatchObject({ phone_number });
    expect(status).toBe(202);
    return body;
  }

  /** Opens a verification and reads its own code, not the code of an earlier one. */
  async openAndRead(phone_number: string, more: object = {}) {
    // Messages that are sent at the same time may arrive in any order.
    await this.untilAllArrived(phone_number);
    const verification = await this.open(phone_number, more);
    const [newest] = await this.untilAllArrived(phone_number);
    return { verification, code: newest?.code as string };
  }

  /** Waits for every accepted message to a number and returns them, newest first. */
  private untilAllArrived(phone_number: string): Promise<Answer['body'][]> {
    return waitFor('the messages', async () => {
      const found = await inboxMessages(this.client, phone_number);
      return found.length === (this.accepted.get(phone_number) ?? 0) && found;
    });
  }

  check({ id }: { id: string }, code: string, more: object = {}): Promise<Answer> {
    return this.client.post(`/v1/verifications/${id}/check`, { code, ...more });
  }

  async signIn(phone_number: string, more: object = {}): Promise<Answer> {
    const { verification, code } = await this.openAndRead(phone_number, more);
    const answer = await this.check(verification, code, more);
    expect(answer.body).toMatchObject({ token_type: 'Bearer' });
    return answer;
  }

  /** Opens one verification, sends wrong codes to it and returns the last answer. */
  async guess(phone_number: string, guesses: number): Promise<Answer> {
    const verification = await this.open(phone_number);
    const answers = [];
    for (let i = 0; i < guesses; i += 1) answers.push(await this.check(verification, 'wrong'));
    return answers.at(-1) as Answer;
  }
}

/** Starts servers for the tests of one block and stops them after each test. */
export function abuseApis(mode: Mode) {
  const running: AbuseApi[] = [];
  const keep = (api: AbuseApi): AbuseApi => {
    running.push(api);
    return api;
  };
  afterEach(async () => {
    jest.restoreAllMocks();
    for (const api of running.splice(0).reverse()) await api.stop();
  });
  return {
    start: async (variables: Record<string, string> = {}) => keep(await AbuseApi.start(mode, variables)),
    replica: async (api: AbuseApi) => keep(await api.replica()),
  };
}
