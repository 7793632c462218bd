export { inBatches, writesInBatches } from './in-batches.js';
