import { hash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database, isForeignKeyViolation, type Statement } from '#postgres';
import { USER_COLUMNS, type User, type UserRow, UsersRepository } from './users.repository.js';

/** The sizes of an avatar, in pixels: the large one first. */
export const AVATAR_SIZES = [512, 128] as const;

const PUT: Statement = {
  name: 'avatar-put',
  text: `
    with images as (
      insert into avatars (user_id, pixels, hash, image)
      values ($1, ${AVATAR_SIZES[0]}, $2, $3), ($1, ${AVATAR_SIZES[1]}, $4, $5)
      on conflict (user_id, pixels) do update set hash = excluded.hash, image = excluded.image
    )
    update users set avatar_large = $2, avatar_small = $4,
           version = version + ((avatar_large, avatar_small) is distinct from ($2, $4))::int
     where id = $1 returning ${USER_COLUMNS}`,
};

const DELETE: Statement = {
  name: 'avatar-delete',
  text: `
    with images as (delete from avatars where user_id = $1)
    update users set avatar_large = null, avatar_small = null, version = version + (avatar_large is not null)::int
     where id = $1 returning ${USER_COLUMNS}`,
};

const FIND: Statement = { name: 'avatar-find', text: 'select image from avatars where hash = $1 limit 1' };

/** Avatars of users. The hash of an image is its name, so an image of a name never changes. */
@Injectable()
export class AvatarsRepository {
  constructor(
    private readonly database: Database,
    private readonly users: UsersRepository,
  ) {}

  /**
   * Stores the images of a user in the order of `AVATAR_SIZES`, in place of the ones from before.
   *
   * @returns null if there is no such user.
   * @throws Unavailable
   */
  async put(userId: string, [large, small]: readonly [Buffer, Buffer]): Promise<User | null> {
    return this.changed(PUT, [userId, hashOf(large), large, hashOf(small), small]);
  }

  /**
   * Deletes the avatar, if there is one.
   *
   * @returns null if there is no such user.
   * @throws Unavailable
   */
  async delete(userId: string): Promise<User | null> {
    return this.changed(DELETE, [userId]);
  }

  /**
   * Returns the WebP image with this hash; null if no user has it.
   *
   * @throws Unavailable
   */
  async find(hash: string): Promise<Buffer | null> {
    const [row] = await this.database.run<{ image: Buffer }>(FIND, [hash]);
    return row?.image ?? null;
  }

  private async changed(statement: Statement, values: unknown[]): Promise<User | null> {
    const [row] = await this.database.runIdempotent<UserRow>(statement, values).catch(noneWhenDeleted);
    return row ? this.users.fromRow(row) : null;
  }
}

function hashOf(image: Buffer): string {
  return hash('sha256', image, 'hex');
}

/** The images refer to a user who was deleted meanwhile. */
function noneWhenDeleted(error: unknown): UserRow[] {
  if (isForeignKeyViolation(error)) return [];
  throw error;
}
