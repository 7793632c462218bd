/** The parts of a statement that only the statement knows. */
interface Source {
  /** SQL for members to add to the data of each event. */
  readonly data?: string;
  /** SQL for the sealed phone number. */
  readonly phoneSealed?: string;
  /** SQL before the events in the `from` clause, with a comma at its end: an event is stored for each row. */
  readonly source?: string;
  /** SQL after the `from` clause: a condition. The events are named `given`. */
  readonly condition?: string;
}

/**
 * Returns the statement that stores events, for statements that store them together with what they tell about. It stores none
 * where webhooks are off.
 *
 * @param events SQL for the result of `WebhookEvents.valueOf`: a parameter, or a column of the source.
 */
export function addWebhooks(
  events: string,
  { data = `'{}'::jsonb`, phoneSealed = 'null', source = '', condition = '' }: Source = {},
): string {
  return `
    insert into webhook_messages (type, data, phone_sealed, expires_at)
    select given.type, given.data || ${data}, ${phoneSealed}::text,
           clock_timestamp() + given.life_ms * interval '1 millisecond'
      from ${source} jsonb_to_recordset(${events}::jsonb) as given (type text, data jsonb, life_ms float8)
     ${condition}`;
}
