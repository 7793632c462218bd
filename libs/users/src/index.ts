export { faultOfName, MAX_NAME_LENGTH } from './user-name.js';
export { UsersModule } from './users.module.js';
export { type User, UsersRepository } from './users.repository.js';
