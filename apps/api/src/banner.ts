import type { AppConfig } from '#config';

const EXAMPLE_NUMBER = '+14155550100';

/** What a person wants to know when the server is up: where everything is, and a sign-in to paste line by line. */
export function banner(url: string, { sender }: AppConfig): string {
  const inbox = `${url}/dev/inbox`;
  const isInbox = sender === 'inbox';
  const code = !isInbox
    ? 'CODE=<the code from the SMS>'
    : `CODE=$(curl -s '${inbox}/messages?to=%2B${EXAMPLE_NUMBER.slice(1)}' | grep -o '"code":"[0-9]*"' | head -n 1 | grep -o '[0-9]*')`;
  const number = isInbox ? EXAMPLE_NUMBER : '<your phone number, +…>';
  return `
  Latchkey is up.

  API         ${url}
  Swagger UI  ${url}/docs
  Messages    ${{ twilio: 'go out by Twilio', http: 'go out by HTTP', inbox }[sender]}

  A sign-in, line by line:

${signUp(url, `"phone_number":"${number}"`)}
${code}
TOKEN=$(${signUp(url, `"phone_number":"${number}","otp":"'$CODE'"`)} | grep -o '"token":"[^"]*"' | cut -d '"' -f 4)
curl -s ${url}/protected -H "Authorization: Bearer $TOKEN"

`;
}

function signUp(url: string, members: string): string {
  return `curl -s ${url}/signup -H 'Content-Type: application/json' -d '{${members}}'`;
}
