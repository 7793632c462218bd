/**
 * Returns the statement that adds tasks to the queue in Postgres, for statements that add a task together with the row
 * that it is about.
 *
 * @param source SQL with the columns id, name, data (jsonb) and max_tries.
 */
export function addTasks(source: string): string {
  return `insert into tasks (id, name, data, max_tries) ${source} on conflict (id) do nothing`;
}
