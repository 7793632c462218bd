import type { AppConfig } from '#config';
import type { Log } from '#program';

const EXAMPLE_NUMBER = '+14155550100';

/** Where the server and its metrics listen. */
interface Addresses {
  readonly url: string;
  readonly metricsUrl: string | null;
}

/** Says that the server is ready: on a terminal with a banner, elsewhere with a log line. */
export function announce({ url, metricsUrl }: Addresses, config: AppConfig, log: Log): void {
  if (process.stdout.isTTY) process.stdout.write(banner(url, config));
  else
    log.info({ url, ...(metricsUrl && { metrics: metricsUrl }), sender: config.provider }, 'Latchkey is up');
}

/** The URLs of the server, and curl commands for a complete sign-in. */
export function banner(url: string, { provider, docs }: AppConfig): string {
  const inbox = `${url}/dev/inbox`;
  const isInbox = provider === 'inbox';
  const code = !isInbox
    ? 'CODE=<the code from the SMS>'
    : `CODE=$(curl -s '${inbox}/messages?to=%2B${EXAMPLE_NUMBER.slice(1)}' | grep -o '"code":"[0-9]*"' | head -n 1 | grep -o '[0-9]*')`;
  const number = isInbox ? EXAMPLE_NUMBER : '<your phone number, +…>';
  return `
  Latchkey is up.

  API         ${url}
${docs ? `  Swagger UI  ${url}/docs\n` : ''}  Messages    ${{ twilio: 'sent through Twilio', http: 'sent through the HTTP provider', inbox }[provider]}

  To try a sign-in, run these commands one by one:

${signUp(url, `"phone_number":"${number}"`)}
${code}
TOKEN=$(${signUp(url, `"phone_number":"${number}","otp":"'$CODE'"`)} | grep -o '"token":"[^"]*"' | cut -d '"' -f 4)
curl -s ${url}/protected -H "Authorization: Bearer $TOKEN"

`;
}

function signUp(url: string, members: string): string {
  return `curl -s ${url}/signup -H 'Content-Type: application/json' -d '{${members}}'`;
}
