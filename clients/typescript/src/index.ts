export type { components, paths } from './api.js';
export {
  createLatchkey,
  type Latchkey,
  type LatchkeyOptions,
  type RequestOptions,
  type Session,
  type Verification,
} from './latchkey.js';
export { type ErrorCode, LatchkeyError, type Problem } from './latchkey-error.js';
export type { StoredSession } from './sessions.js';
export type { LatchkeyStorage } from './storage.js';
