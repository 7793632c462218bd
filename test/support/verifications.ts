import type { Answer, Client } from './client.js';
import { someNumber } from './phone-numbers.js';
import { waitFor } from './wait.js';

/** The parts of a server that sign-ins need, however the server was started. */
export interface SignInServer {
  readonly client: Client;
  codeFor(phoneNumber: string): Promise<string>;
}

export interface OpenedVerification {
  readonly id: string;
  readonly path: string;
  readonly phone_number: string;
  readonly code: string;
}

/** Opens a verification and waits for its code. */
export async function openVerification(
  { client, codeFor }: SignInServer,
  { phone_number = someNumber(), ...members }: { phone_number?: string; [member: string]: unknown } = {},
): Promise<OpenedVerification> {
  const { body } = await client.post('/v1/verifications', { phone_number, ...members });
  const path = `/v1/verifications/${body.id}`;
  return { id: body.id, path, phone_number, code: await codeFor(phone_number) };
}

/** Signs in a new number, or the given one, and returns the session. */
export async function openSession(
  server: SignInServer,
  members: { phone_number?: string; [member: string]: unknown } = {},
): Promise<Answer['body']> {
  const { path, code } = await openVerification(server, members);
  const { status, body } = await server.client.post(`${path}/check`, { code });
  expect(status).toBe(200);
  return body;
}

/** Signs in a new number and returns its session token. */
export async function signIn(server: SignInServer): Promise<string> {
  return (await openSession(server)).token;
}

/**
 * Requests a code for a number that may have had messages before, and waits for it.
 *
 * @param request the request for the code.
 */
export async function openAnother(
  { client }: Pick<SignInServer, 'client'>,
  phone_number: string,
  request = () => client.post('/v1/verifications', { phone_number }),
): Promise<OpenedVerification> {
  const codes = async () =>
    (await inboxMessages(client, phone_number)).map(({ code }) => code).filter((code) => code !== null);
  const before = (await codes()).length;
  const { status, body } = await untilCooledDown(request);
  expect(status).toBe(202);
  const code = await waitFor('another code', async () => {
    const found = await codes();
    return found.length > before && found[0];
  });
  return { id: body.id, path: `/v1/verifications/${body.id}`, phone_number, code };
}

/** Returns the newest messages to a number that the inbox holds, newest first. */
export async function inboxMessages(client: Client, phoneNumber: string): Promise<Answer['body'][]> {
  return (await client.get(`/dev/inbox/messages?to=${encodeURIComponent(phoneNumber)}`)).body;
}

/** Waits for a code in the inbox and returns the newest one. */
export function newestCode(client: Client, phoneNumber: string): Promise<string> {
  return waitFor(`a code for ${phoneNumber}`, async () => {
    const [newest] = await inboxMessages(client, phoneNumber);
    return newest?.code as string | undefined;
  });
}

/** Returns a code that differs from the right one. */
export function wrongCode(code: string): string {
  return String((Number(code) + 1) % 1_000_000).padStart(6, '0');
}

/** Returns the six digits of a code in a text message, or in the variables of its template. */
export function codeIn(
  message: { readonly body: string; readonly contentVariables?: string | null } | undefined,
): string | undefined {
  return /\d{6}/.exec(message?.body || message?.contentVariables || '')?.[0];
}

/** Repeats a request until the cool-down no longer refuses it. */
export function untilCooledDown(request: () => Promise<Answer>): Promise<Answer> {
  const look = async () => {
    const answer = await request();
    return answer.body.limit !== 'cool_down' && answer;
  };
  return waitFor('the end of the cool-down', look, 15_000, 100);
}

/** Repeats a request until the cool-down no longer refuses it, and expects it to succeed then. */
export async function afterCoolDown(request: () => Promise<Answer>): Promise<Answer> {
  const answer = await untilCooledDown(request);
  expect([200, 202]).toContain(answer.status);
  return answer;
}

/** Waits until the message of a verification has this delivery status and returns the verification. */
export function deliveredAs(client: Client, path: string, status: string): Promise<Answer['body']> {
  return waitFor(`a delivery that is ${status}`, async () => {
    const { body } = await client.get(path);
    return body.delivery.status === status && body;
  });
}
