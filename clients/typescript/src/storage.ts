/**
 * Keeps the session and the device token. Adapters of asynchronous stores, such as IndexedDB or the keychain of a phone,
 * may return promises.
 */
export interface LatchkeyStorage {
  get(key: string): string | null | Promise<string | null>;
  set(key: string, value: string): void | Promise<void>;
  delete(key: string): void | Promise<void>;
}

/** The part of the Web Storage API that is used. */
interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

declare const localStorage: WebStorage;

/** Forgets everything with the page or the process. */
export function memoryStorage(): LatchkeyStorage {
  const values = new Map<string, string>();
  return {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => {
      values.set(key, value);
    },
    delete: (key) => {
      values.delete(key);
    },
  };
}

/**
 * Keeps everything for the origin. All its tabs share one session, and all its scripts can read it. Where there is no such
 * storage, everything is kept in memory.
 */
export function browserStorage(): LatchkeyStorage {
  if (!isAllowed()) return memoryStorage();
  return {
    get: (key) => localStorage.getItem(key),
    set: (key, value) => localStorage.setItem(key, value),
    delete: (key) => localStorage.removeItem(key),
  };
}

/** Browsers throw on access when the user forbids storage, and older versions of Node have none. */
function isAllowed(): boolean {
  try {
    localStorage.getItem('');
    return true;
  } catch {
    return false;
  }
}
