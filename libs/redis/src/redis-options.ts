export abstract class RedisOptions {
  abstract readonly url: string;
}
