/**
 * Numbers that get no message and whose code does not change: for app-store reviews and CI. They end by themselves,
 * since a code that does not change is a password that many know.
 */
export class TestNumbers {
  /** @param until milliseconds since 1970; null: they do not end. */
  constructor(
    private readonly codes: Readonly<Record<string, string>>,
    private readonly until: number | null,
  ) {}

  /** The number's own code; null: it is like any other. */
  codeOf(phoneNumber: string): string | null {
    const isOver = this.until !== null && Date.now() >= this.until;
    return isOver ? null : (this.codes[phoneNumber] ?? null);
  }
}
