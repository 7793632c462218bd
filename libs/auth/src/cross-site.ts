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
 * Browsers send `Sec-Fetch-Site` to secure origins. Without it, `Origin` must name this server, or an origin that the operator
 * trusts: browsers without `Sec-Fetch-Site` send a SameSite=Lax cookie with such a request to the same site only.
 *
 * @param ownOrigins origins of this server (RFC 6454).
 */
export function isCrossSite(
  { method, fetchSite, origin }: RequestOrigin,
  ownOrigins: readonly string[],
  isTrusted: (origin: string) => boolean,
): boolean {
  if (SAFE_METHODS.includes(method)) return false;
  if (fetchSite !== undefined) return !SAME_SITE.includes(fetchSite);
  if (origin === undefined || !URL.canParse(origin)) return true;
  return !ownOrigins.includes(new URL(origin).origin) && !isTrusted(origin);
}

/** Returns the origins that a Host header can stand for: a proxy may have ended TLS. */
export function originsOf(host: string | undefined): string[] {
  return host ? [`http://${host}`, `https://${host}`] : [];
}
