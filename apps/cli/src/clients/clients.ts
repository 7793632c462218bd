import { hash, randomBytes } from 'node:crypto';
import { checkClients } from '#auth';
import { EXIT_USAGE, Failure } from '../failure.js';

const SECRET_BYTES = 32;

/** Prints a secret and its entry. */
export function addClient(id: string, { name = id, purposes }: { name?: string; purposes: string }): void {
  const secret = `sk_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  const entry = {
    ...{ id, name },
    secret_sha256: hash('sha256', secret, 'hex'),
    purposes: purposes.split(',').map((purpose) => purpose.trim()),
  };
  try {
    checkClients({ clients: [entry] });
  } catch (error) {
    throw new Failure((error as Error).message.replaceAll('clients.0.', ''), EXIT_USAGE);
  }
  process.stdout.write(`The secret, which is not shown again:

${secret}

Add this entry to \`clients\` in the file that CLIENTS_FILE names, and restart the servers:

${JSON.stringify(entry, null, 2)}
`);
}
