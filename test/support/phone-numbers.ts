let lastNumber = 0;

/** Returns a valid phone number that no other test of this file uses. */
export function someNumber(): string {
  lastNumber += 1;
  return `+1415555${String(1_000 + lastNumber)}`;
}
