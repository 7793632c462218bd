/** Reads `+15005550006=407918263,…` as codes by number. Returns null for anything else, including a repeated number. */
export function parseTestNumbers(text: string): Record<string, string> | null {
  const pairs = text.split(',').map((pair) => /^(\+[1-9]\d{6,14})=(\d{6,9})$/.exec(pair.trim()));
  if (pairs.includes(null)) return null;
  const codes = Object.fromEntries(pairs.map((pair) => [pair?.[1] as string, pair?.[2] as string]));
  return Object.keys(codes).length === pairs.length ? codes : null;
}
