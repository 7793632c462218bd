/** The headers of a request that say where it comes from. */
export interface RequestOrigin {
  readonly method: string;
  /** `Sec-Fetch-Site` (Fetch Metadata). */
  readonly fetchSite: string | undefined;
  readonly origin: string | undefined;
}

/** The methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'];

/** `none`: the user caused the request, not a page. */
const SAME_SITE = ['same-origin', 'same-site', 'none'];

/**
 * Returns true for a request that may have been made by a page of another site, and so must not be authenticated by a cookie.
 * Browsers send `Sec-Fetch-Site` to secure origins. Without it, `Origin` must name this server.
 *
 * @param ownHosts hosts of this server with their ports, as in a Host header.
 */
export function isCrossSite(
  { method, fetchSite, origin }: RequestOrigin,
  ownHosts: readonly string[],
): boolean {
  if (SAFE_METHODS.includes(method)) return false;
  if (fetchSite !== undefined) return !SAME_SITE.includes(fetchSite);
  if (origin === undefined || !URL.canParse(origin)) return true;
  return !ownHosts.includes(new URL(origin).host);
}
