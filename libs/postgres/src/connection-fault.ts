interface PostgresFault {
  readonly code?: string;
  readonly message: string;
}

const UNKNOWN_CERTIFICATE = [
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_UNTRUSTED',
];

/** A condition and the cure that goes with it. The first that holds is used. */
const CURES: readonly [(fault: PostgresFault) => boolean, string][] = [
  [
    ({ code = '' }) => UNKNOWN_CERTIFICATE.includes(code),
    "add &sslrootcert=/path/to/ca.pem with the server's certificate authority to DATABASE_URL, or set NODE_EXTRA_CA_CERTS to that file; sslmode=no-verify encrypts without a check",
  ],
  [
    ({ code }) => code === 'ERR_TLS_CERT_ALTNAME_INVALID',
    'use the host name of the certificate in DATABASE_URL; sslmode=no-verify encrypts without a check',
  ],
  [
    ({ message }) => /does not support SSL/i.test(message),
    'set sslmode=disable in DATABASE_URL, or turn TLS on in Postgres',
  ],
  [
    ({ message }) => /pg_hba\.conf.*no encryption|SSL off|SSL required/i.test(message),
    'if Postgres demands TLS, add ?sslmode=require to DATABASE_URL',
  ],
  [
    ({ message }) => /unsupported startup parameter/i.test(message),
    'remove it from DATABASE_URL, or add it to ignore_startup_parameters of PgBouncer',
  ],
  [
    ({ code, message }) => code === '53300' || /too many connections|no more connections/i.test(message),
    'lower DATABASE_POOL_SIZE, or raise the limit of the role or the server',
  ],
  [
    ({ message }) => /query read timeout|timeout expired|query_wait_timeout/i.test(message),
    'Postgres does not answer in time; a pooler in front of it must allow DATABASE_POOL_SIZE connections (PgBouncer: default_pool_size)',
  ],
  [
    ({ code, message }) => code === '42501' && message.includes('for database'),
    'let the owner of the database create the schema (`create schema latchkey authorization ROLE`), or set DATABASE_SCHEMA to a schema that the role owns',
  ],
  [
    ({ code }) => code === '42501',
    'grant the role its schema (`grant usage, create on schema SCHEMA to ROLE`), set DATABASE_SCHEMA to a schema that the role owns, or migrate as the role that owns the tables',
  ],
];

/** Returns the message of an error of the driver, followed by the cure if one is known. */
export function explainConnectionFault(error: unknown): string {
  const fault = ((error as { driverError?: unknown }).driverError ?? error) as PostgresFault;
  const cure = CURES.find(([applies]) => applies(fault))?.[1];
  return cure ? `${fault.message}: ${cure}` : fault.message;
}
