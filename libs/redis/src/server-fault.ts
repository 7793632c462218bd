/** A reason why Latchkey cannot work with this Redis, which only an operator can remove. It holds no secret. */
export type ServerFault = string;

export const CLUSTER_FAULT: ServerFault =
  'this is a Redis Cluster, which Latchkey does not support: use a Redis with cluster mode disabled';

const ACL_PAGE = 'docs/operating.md lists the rights that Latchkey needs';

/** Node's and OpenSSL's codes of a failed TLS handshake, with what cures it. */
const TLS_FAULTS: readonly [code: RegExp, fault: ServerFault][] = [
  [
    /^(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_\w+|CERT_UNTRUSTED)$/,
    'the CA of its certificate is unknown: set NODE_EXTRA_CA_CERTS to the file of the CA certificate',
  ],
  [/^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/, 'its certificate has expired or is not valid yet: renew it'],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'its certificate is for another host: write the host in REDIS_URL as the certificate names it',
  ],
  [
    /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE/,
    'it demands a client certificate, which Latchkey does not send: set `tls-auth-clients no` in Redis',
  ],
  [
    /^(?:EPROTO|ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG)$/,
    'it does not speak TLS on this port: begin REDIS_URL with redis://, or use the TLS port',
  ],
];

/** Returns null for a failure that may pass by itself, such as a refused connection. */
export function connectionFault(error: Error): ServerFault | null {
  const { code = '' } = error as NodeJS.ErrnoException;
  const tls = TLS_FAULTS.find(([codes]) => codes.test(code));
  if (tls) return tls[1];
  if (/^(?:WRONGPASS|ERR invalid password)/.test(error.message))
    return 'Redis rejects the user name or the password in REDIS_URL (WRONGPASS)';
  if (/^(?:NOAUTH|ERR operation not permitted)/.test(error.message))
    return 'Redis requires a password: write it in REDIS_URL as redis://:password@host or redis://user:password@host (NOAUTH)';
  if (/DB index is out of range/.test(error.message))
    return 'Redis has no database of the number at the end of REDIS_URL';
  const refused = /^NOPERM .*?'([\w|]+)'/.exec(error.message);
  if (refused) return `its user may not run ${refused[1]?.toUpperCase()}; ${ACL_PAGE}`;
  return null;
}

/** Returns what an operator should check after a failure that may also pass by itself, or ''. */
export function hintFor(error: Error, hasTls: boolean): string {
  const { code } = error as NodeJS.ErrnoException;
  if (hasTls && code === 'ETIMEDOUT')
    return '; if this port does not speak TLS, begin REDIS_URL with redis://';
  if (!hasTls && code === 'ECONNRESET') return '; if this port requires TLS, begin REDIS_URL with rediss://';
  return '';
}

/** Names the rights that are missing according to the replies to every command. */
export function rightsFault(
  replies: readonly { readonly name: string; readonly message: string }[],
  user: string,
): ServerFault | null {
  const refused = replies.filter(({ message }) => message.startsWith('NOPERM'));
  if (refused.length === 0) return null;
  const commands = refused.filter(({ message }) => /'[\w|]+' command/.test(message)).map(({ name }) => name);
  const missing = [
    ...(commands.length > 0 ? [`run ${commands.join(', ')}`] : []),
    ...(commands.length < refused.length ? ['use keys that begin with latchkey:'] : []),
  ];
  return `the Redis user "${user}" may not ${missing.join(' or ')}; ${ACL_PAGE}`;
}
