/** Splits a list at its commas. Spaces around an item do not belong to it. */
export function parseList(text: string): string[] {
  return text.split(',').map((item) => item.trim());
}
