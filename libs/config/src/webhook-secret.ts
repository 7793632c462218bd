const LEAST_WEBHOOK_SECRET_BYTES = 24;

/** Returns whether the text is a secret of Standard Webhooks: `whsec_` and the Base64 of enough random bytes. */
export function isWebhookSecret(text: string): boolean {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length >= LEAST_WEBHOOK_SECRET_BYTES && bytes.toString('base64') === base64;
}
