export { inBatches, writesInBatches, writesInTurns } from './in-batches.js';
