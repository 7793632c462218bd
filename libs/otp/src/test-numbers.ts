/**
 * Phone numbers with a fixed code that get no message, for app-store reviews and CI. They end at a given time, because a
 * fixed code is a password that many people know.
 */
export class TestNumbers {
  /** @param until milliseconds since 1970; null for no end. */
  constructor(
    private readonly codes: Readonly<Record<string, string>>,
    private readonly until: number | null,
  ) {}

  /** Returns the number's fixed code; null when it is not a test number, or no longer one. */
  codeOf(phoneNumber: string): string | null {
    const hasEnded = this.until !== null && Date.now() >= this.until;
    return hasEnded ? null : (this.codes[phoneNumber] ?? null);
  }
}
