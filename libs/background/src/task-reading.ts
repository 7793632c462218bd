/**
 * The row that a worker reads together with a task which it takes from Postgres, so that the task's handler needs no
 * statement of its own to begin.
 */
export abstract class TaskReading {
  /** A select list. Its names must differ from those of `TAKEN` in task-worker.postgres.ts. */
  abstract readonly columns: string;
  /** Joins to `taken`, the row of the task. They must keep one row for each task. */
  abstract readonly joins: string;
}
