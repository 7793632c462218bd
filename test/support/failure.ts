/** Returns the error of a promise that must reject. */
export function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => Promise.reject(new Error('expected a rejection, but the promise resolved')),
    (error: Error) => error,
  );
}
