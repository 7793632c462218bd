/** Returns the JSON Pointer (RFC 6901) of a member of the value at `parent`. */
export function pointerTo(parent: string, name: string): string {
  return `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
