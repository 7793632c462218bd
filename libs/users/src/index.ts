export { AVATAR_SIZES, AvatarsRepository } from './avatars.repository.js';
export { faultOfName, MAX_NAME_LENGTH } from './user-name.js';
export { UsersModule } from './users.module.js';
export {
  type NewUser,
  type NumberHolder,
  USER_COLUMNS,
  USER_NAMES,
  type User,
  type UserChange,
  type UserRow,
  UsersRepository,
} from './users.repository.js';
