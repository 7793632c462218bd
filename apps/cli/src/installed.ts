/** The module, or null where development dependencies are not installed. */
export async function installed<T>(module: Promise<T>): Promise<T | null> {
  try {
    return await module;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return null;
    throw error;
  }
}
