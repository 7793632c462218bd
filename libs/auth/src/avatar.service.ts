import { Injectable } from '@nestjs/common';
import { AccountLimits } from '#abuse';
import { NotFound, RateLimited } from '#errors';
import { ImageConverterService } from '#images';
import { TokensRepository } from '#tokens';
import { AVATAR_SIZES, AvatarsRepository, type User } from '#users';

/** A conversion takes a second or two. */
const RETRY_AFTER_SECONDS = 5;

/** Changes and returns the avatars of users. See docs/decisions/0072. */
@Injectable()
export class AvatarService {
  /** The users whose uploads this process converts. */
  private readonly uploading = new Set<string>();

  constructor(
    private readonly limits: AccountLimits,
    private readonly images: ImageConverterService,
    private readonly avatars: AvatarsRepository,
    private readonly tokens: TokensRepository,
  ) {}

  /**
   * Replaces the avatar. From then on every process answers with the changed user.
   *
   * @param read reads the uploaded image. Called after the upload is counted.
   * @throws ImageRejected, NotFound, RateLimited, Unavailable, and what `read` throws
   */
  async replace({ id }: User, read: () => Promise<Buffer>): Promise<User> {
    // One user must not make the others wait.
    if (this.uploading.has(id)) throw new RateLimited('avatars_per_user', RETRY_AFTER_SECONDS);
    this.uploading.add(id);
    try {
      await this.limits.admitAvatar(id);
      const images = await this.images.toSquares(await read(), AVATAR_SIZES);
      return await this.changed(id, await this.avatars.put(id, images as [Buffer, Buffer]));
    } finally {
      this.uploading.delete(id);
    }
  }

  /** @throws NotFound, Unavailable */
  async delete({ id }: User): Promise<void> {
    await this.changed(id, await this.avatars.delete(id));
  }

  /**
   * Returns the WebP image with this hash.
   *
   * @throws NotFound, Unavailable
   */
  async find(hash: string): Promise<Buffer> {
    const image = await this.avatars.find(hash);
    if (!image) throw new NotFound('avatar');
    return image;
  }

  private async changed(id: string, user: User | null): Promise<User> {
    if (!user) throw new NotFound('user');
    await this.tokens.forgetCopiesOf(id);
    return user;
  }
}
