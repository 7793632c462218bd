/** The text that carries a code. Short enough for one segment (GSM-7: 160 characters). */
export function codeMessage(code: string, validForSeconds: number): string {
  return `${code} is your sign-in code. It is good for ${timeOf(validForSeconds)}. Never share it: nobody will ask you for it.`;
}

/** What passes between the request and the message does not make five minutes four. */
const ON_THE_WAY_SECONDS = 5;

function timeOf(seconds: number): string {
  const minutes = Math.floor((seconds + ON_THE_WAY_SECONDS) / 60);
  const [count, unit] = minutes > 0 ? [minutes, 'minute'] : [seconds, 'second'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
