const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads `90s`, `5m`, `48h`, `30d`; null for anything else. A bare number is refused: nobody agrees on its unit. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  return match ? Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS] : null;
}

/** Reads `5/10m`: so many in so much time; null for anything else, and for rates that nothing would pass. */
export function parseRate(text: string): { points: number; seconds: number } | null {
  const [points, duration = '', ...rest] = text.split('/');
  const ms = parseDurationMs(duration);
  if (!/^[1-9]\d{0,8}$/.test(points ?? '') || rest.length > 0 || ms === null || ms < 1_000) return null;
  return { points: Number(points), seconds: Math.floor(ms / 1_000) };
}
