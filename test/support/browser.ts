import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Root has no sandbox; and the browser must call nothing but the server under test. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

export interface Browser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/** Finds a Chromium. Without one it warns and returns null; on CI it throws. */
export function findChromium(): string | null {
  const { CHROMIUM_PATH, CI, PATH = '' } = process.env;
  if (CHROMIUM_PATH) return CHROMIUM_PATH;
  const found = NAMES.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name))).find(
    isExecutable,
  );
  if (found) return found;

  const remedy = `set CHROMIUM_PATH, or install ${NAMES.join(' or ')}`;
  if (CI === 'true') throw new Error(`There is no Chromium, and CI must not skip tests: ${remedy}`);
  process.stderr.write(`\n!!! NO CHROMIUM: the inbox page is NOT tested. To test it, ${remedy}.\n\n`);
  return null;
}

/** Opens a Chromium with an empty profile, which is deleted on close. */
export async function openBrowser(executablePath: string): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'latchkey-browser-'));
  const removeProfile = () => rm(profile, { recursive: true, force: true, maxRetries: 5 });
  try {
    const context = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS });
    const close = () => context.close().finally(removeProfile);
    return { context, close };
  } catch (error) {
    await removeProfile();
    throw error;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
