import { disableLogContexts } from '#logging';

// Every spec loads the log contexts again, and the hooks of all specs would follow each promise of a worker.
afterAll(disableLogContexts);
