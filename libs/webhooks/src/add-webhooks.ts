/** The parts of a statement that only the statement knows. */
interface Source {
  /** SQL for members to add to the data of each event. */
  readonly data?: string;
  /** SQL for the sealed phone number. */
  readonly phoneSealed?: string;
  /** SQL that follows the `from` clause of the events, which are named `given`: joins and conditions. */
  readonly joins?: string;
}

/**
 * Returns the statement that stores events, for statements that store them together with what they tell about. It stores none
 * where webhooks are off.
 *
 * @param events the parameter with the result of `WebhookEvents.valueOf`.
 */
export function addWebhooks(
  events: string,
  { data = `'{}'::jsonb`, phoneSealed = 'null', joins = '' }: Source = {},
): string {
  return `
    insert into webhook_messages (type, data, phone_sealed, expires_at)
    select given.type, given.data || ${data}, ${phoneSealed}::text,
           clock_timestamp() + given.life_ms * interval '1 millisecond'
      from jsonb_to_recordset(${events}::jsonb) as given (type text, data jsonb, life_ms float8) ${joins}`;
}
