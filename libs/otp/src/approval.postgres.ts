import { UNCLAIMED } from './verification-columns.js';

/**
 * SQL for a statement that approves a verification together with the work that its code was given for, such as a session.
 * See docs/decisions/0062.
 */

/** The condition under which one caller may approve a row of `verifications`. */
export const APPROVABLE = `status = 'pending' and expires_at > clock_timestamp() and ${UNCLAIMED}`;

/**
 * Returns the `set` list of an approval, which also restores the attempt that gave the right code.
 *
 * @param client the parameter with the client that gave it; its value is null when the verification has only one.
 * @param group the parameter with the client's group, or null.
 */
export function approvalOf(client: string, group: string): string {
  return `status = 'approved', ${restoredAttemptOf(client, group)}`;
}

/** Returns the `set` list that restores one attempt of a client. */
export function restoredAttemptOf(client: string, group: string): string {
  return `
    attempts_left = attempts_left + case when ${client}::text is null then 1 else 0 end,
    attempts_by = ${attemptsPlus(-1, client, group)}`;
}

/** Returns SQL for the attempts by client with one more or less for the client and the group, each of which may be null. */
export function attemptsPlus(change: 1 | -1, client: string, group: string): string {
  const changed = (key: string) => `
    case when ${key}::text is null then '{}'::jsonb
         else jsonb_build_object(${key}::text, coalesce((attempts_by ->> ${key})::int, 0) + ${change}) end`;
  return `attempts_by || ${changed(client)} || ${changed(group)}`;
}
