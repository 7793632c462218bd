/** More lines than a person reads. The rest is counted. */
const MOST_LISTED = 10_000;

/** A list that stays small, however long the import is. */
class Listing {
  private readonly lines: string[] = [];
  count = 0;

  add(place: string, text: string): void {
    this.count += 1;
    if (this.count <= MOST_LISTED) this.lines.push(`  ${place}: ${text}`);
  }

  print(heading: string): string[] {
    if (this.count === 0) return [];
    const more = this.count - this.lines.length;
    return [heading, ...this.lines, ...(more > 0 ? [`  and ${more} more`] : [])];
  }
}

/** The outcome of an import. It never has a full phone number. */
export class ImportReport {
  private readonly refused = new Listing();
  private readonly leftOut = new Listing();
  private accounts = 0;
  private existing = 0;
  private tokens = 0;
  private withoutNumber = 0;

  /** @param size the number of accounts that could be created. */
  addBatch(size: number, created: { accounts: number; tokens: number }): void {
    this.accounts += created.accounts;
    this.existing += size - created.accounts;
    this.tokens += created.tokens;
  }

  addUserWithoutNumber(): void {
    this.withoutNumber += 1;
  }

  refuse(place: string, fault: string): void {
    this.refused.add(place, fault);
  }

  leaveNameOut(place: string, fault: string): void {
    this.leftOut.add(place, `the name ${fault}`);
  }

  get hasFaults(): boolean {
    return this.refused.count > 0;
  }

  toString(): string {
    const tokens = this.tokens > 0 ? ` and ${counted(this.tokens, 'token')}` : '';
    return [
      ...this.refused.print('Not imported:'),
      ...this.leftOut.print('Imported without the name:'),
      ...(this.withoutNumber > 0
        ? [`skipped ${counted(this.withoutNumber, 'user')} without a phone number`]
        : []),
      ...(this.existing > 0 ? [`left ${counted(this.existing, 'existing account')} unchanged`] : []),
      ...(this.refused.count > 0 ? [`refused ${counted(this.refused.count, 'user')}`] : []),
      `created ${counted(this.accounts, 'account')}${tokens}`,
    ].join('\n');
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
