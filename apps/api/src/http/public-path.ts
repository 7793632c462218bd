/** The path that clients reach this server under: the one of `PUBLIC_URL`, which a proxy strips. */
export class PublicPath {
  private readonly prefix: string;

  constructor(publicUrl: string | null) {
    this.prefix = publicUrl === null ? '' : new URL(publicUrl).pathname.replace(/\/+$/, '');
  }

  /** Returns the path of a route as clients see it. */
  of(path: string): string {
    return this.prefix + path;
  }
}
