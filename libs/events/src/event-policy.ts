export abstract class EventPolicy {
  /** Events are deleted after this time. */
  abstract readonly keptMs: number;
}
