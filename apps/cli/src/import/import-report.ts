import { counted } from '../counted.js';

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
  private readonly withoutName = new Listing();
  private readonly withoutTime = new Listing();
  private readonly withOtherId = new Listing();
  private readonly warnings = new Set<string>();
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
    this.withoutName.add(place, `the name ${fault}`);
  }

  leaveTimeOut(place: string, rule: string): void {
    this.withoutTime.add(place, rule);
  }

  /** Lists a user whose clients know another id. */
  giveOtherId(place: string, id: number): void {
    this.withOtherId.add(place, `got the id ${id}`);
  }

  /** Prints the same warning once. */
  warn(text: string): void {
    this.warnings.add(text);
  }

  get hasFaults(): boolean {
    return this.refused.count > 0;
  }

  toString(): string {
    const tokens = this.tokens > 0 ? ` and ${counted(this.tokens, 'token')}` : '';
    return [
      ...this.refused.print('Not imported:'),
      ...this.withoutName.print('Imported without the name:'),
      ...this.withoutTime.print('Imported without the time of creation:'),
      ...this.withOtherId.print('With another id than before:'),
      ...[...this.warnings].map((text) => `warning: ${text}`),
      ...(this.withoutNumber > 0
        ? [`skipped ${counted(this.withoutNumber, 'user')} without a phone number`]
        : []),
      ...(this.existing > 0 ? [`left ${counted(this.existing, 'existing account')} unchanged`] : []),
      ...(this.refused.count > 0 ? [`refused ${counted(this.refused.count, 'user')}`] : []),
      ...(this.withOtherId.count > 0
        ? [`${counted(this.withOtherId.count, 'user')} with another id than before`]
        : []),
      `created ${counted(this.accounts, 'account')}${tokens}`,
    ].join('\n');
  }
}
