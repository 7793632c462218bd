/** The text that carries a code. Short enough for one segment (GSM-7: 160 characters). */
export function codeMessage(code: string, validForSeconds: number): string {
  const minutes = Math.max(1, Math.round(validForSeconds / 60));
  const unit = minutes === 1 ? 'minute' : 'minutes';
  return `${code} is your sign-in code. It is good for ${minutes} ${unit}. Never share it: nobody will ask you for it.`;
}
