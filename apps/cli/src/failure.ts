export const EXIT_USAGE = 2;
/** sysexits.h, EX_DATAERR. */
export const EXIT_DATA = 65;
/** sysexits.h, EX_CONFIG. The servers use it too. */
export const EXIT_CONFIGURATION = 78;

/** Ends the command with one sentence on standard error. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}
