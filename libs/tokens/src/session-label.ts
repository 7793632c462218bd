import Bowser from 'bowser';

/** Returns the browser and the operating system that a `User-Agent` header names, such as `Firefox on Windows`. */
export function sessionLabel(userAgent: string | null): string | null {
  if (!userAgent) return null;
  const { browser, os } = Bowser.parse(userAgent);
  return [browser.name, os.name].filter(Boolean).join(' on ') || null;
}
