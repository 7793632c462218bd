export { inBatches } from './in-batches.js';
