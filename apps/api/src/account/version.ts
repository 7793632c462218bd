import { InvalidRequest } from '#errors';

/** Returns the entity tag of a version (RFC 9110, section 8.8.3). */
export function tagOfVersion(version: number): string {
  return `"${version}"`;
}

/**
 * Returns the version that an `If-Match` header demands (RFC 9110, section 13.1.1); null for `*` or no header.
 *
 * @throws InvalidRequest for anything else, such as a list of tags.
 */
export function versionOfTag(header: string | undefined): number | null {
  if (header === undefined || header.trim() === '*') return null;
  const [, digits] = /^\s*"(\d{1,9})"\s*$/.exec(header) ?? [];
  if (digits !== undefined) return Number(digits);
  throw new InvalidRequest('`If-Match` must be the `ETag` of an answer with the user');
}
