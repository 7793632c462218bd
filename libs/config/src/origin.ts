/** Pages on every port of this machine. */
export const LOOPBACK_ORIGINS = ['http://localhost:*', 'http://127.0.0.1:*'] as const;

const SUBDOMAINS = 'https://*.';

/**
 * Returns true for an origin as browsers send it (RFC 6454, section 6.2), such as `https://app.example.com`, and for
 * `https://*.example.com`, which stands for every subdomain of a domain, and not for the domain.
 */
export function isOriginPattern(text: string): boolean {
  if (!text.startsWith(SUBDOMAINS)) return isOrigin(text);
  const domain = text.replace('*.', '');
  // A top-level domain and an address have no subdomains of one owner.
  return isOrigin(domain) && /\.[a-z][a-z0-9-]*$/.test(new URL(domain).hostname);
}

function isOrigin(text: string): boolean {
  if (!/^https?:/.test(text) || text.includes('*') || !URL.canParse(text)) return false;
  const { origin, hostname } = new URL(text);
  return origin === text && !hostname.endsWith('.');
}

/**
 * Returns a function that returns true for the Origin header of a page that one of the patterns names. The header must have the
 * exact form that browsers send.
 */
export function originMatcher(patterns: readonly string[]): (origin: string | undefined) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const wild = patterns.filter((pattern) => pattern.includes('*')).map(expressionOf);
  return (origin) =>
    origin !== undefined && (exact.has(origin) || wild.some((expression) => expression.test(origin)));
}

/** `*.` at the start of a host is one or more labels. `:*` at the end is any port. */
function expressionOf(pattern: string): RegExp {
  const source = pattern
    .replace(/[.]/g, '\\.')
    .replace('*\\.', '(?:[a-z0-9_-]+\\.)+')
    .replace(/:\*$/, '(?::\\d{1,5})?');
  return new RegExp(`^${source}$`);
}
