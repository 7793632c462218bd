/** Pages have one; Node has none. */
declare const location: { readonly href: string } | undefined;

/** Returns the absolute URL of the server, without a slash at the end. In a page, `url` may be relative, such as `/auth`. */
export function baseOf(url: string): string {
  const { origin, pathname } = new URL(url, typeof location === 'undefined' ? undefined : location.href);
  return origin + pathname.replace(/\/+$/, '');
}

/** Returns the URL of a path at the server. Tokens go nowhere else, so a path that leaves the server is refused. */
export function addressOf(base: string, path: string): string {
  const address = base + path;
  // As it is sent: `/../other` would lead to another application of the same host.
  const leaves = !path.startsWith('/') || !new URL(address).href.startsWith(`${base}/`);
  if (leaves)
    throw new TypeError(`expected a path of the Latchkey server that starts with "/", not "${path}"`);
  return address;
}
