/** Returns true for a URL with one of the protocols, such as `https:`. */
export function isAddress(text: string, protocols: readonly string[]): boolean {
  return (
    URL.canParse(text) &&
    protocols.includes(new URL(text).protocol) &&
    isDecodable(text) &&
    !endsInItsPassword(new URL(text))
  );
}

/** A percent sign in a password must be encoded: drivers fail on it late, without naming the variable. */
function isDecodable(value: string): boolean {
  try {
    return decodeURIComponent(value) !== '';
  } catch {
    return false;
  }
}

/** A password with a raw `/`, `?` or `#` ends the host: what follows, with the `@`, counts as path, query or fragment. */
function endsInItsPassword({ pathname, search, hash }: URL): boolean {
  return /@/.test(pathname + search + hash);
}
