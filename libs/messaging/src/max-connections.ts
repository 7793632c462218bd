/** The connections of a process to its provider: one for each message that it sends at once, so that none waits for one. */
export const MAX_CONNECTIONS = 72;
