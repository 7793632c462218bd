import type { AppConfig } from '#config';

const EXAMPLE_NUMBER = '+14155550100';

/** Text printed when the server is ready: its URLs and curl commands for a complete sign-in. */
export function banner(url: string, { provider }: AppConfig): string {
  const inbox = `${url}/dev/inbox`;
  const isInbox = provider === 'inbox';
  const code = !isInbox
    ? 'CODE=<the code from the SMS>'
    : `CODE=$(curl -s '${inbox}/messages?to=%2B${EXAMPLE_NUMBER.slice(1)}' | grep -o '"code":"[0-9]*"' | head -n 1 | grep -o '[0-9]*')`;
  const number = isInbox ? EXAMPLE_NUMBER : '<your phone number, +…>';
  return `
  Latchkey is up.

  API         ${url}
  Swagger UI  ${url}/docs
  Messages    ${{ twilio: 'sent through Twilio', http: 'sent through the HTTP provider', inbox }[provider]}

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
