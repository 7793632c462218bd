import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium } from 'playwright-core';
import { findProgram } from './system-programs.js';

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

/** Finds a Chromium: CHROMIUM_PATH, or one that is installed. Without one it warns and returns null; on CI it throws. */
export function findChromium(): string | null {
  return (
    process.env.CHROMIUM_PATH ??
    findProgram(NAMES, 'pages and the client in a browser (or set CHROMIUM_PATH)')
  );
}

/** Opens a Chromium with an empty profile, which is deleted on close. */
export async function openBrowser(executablePath: string, flags: string[] = []): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'latchkey-browser-'));
  const removeProfile = () => rm(profile, { recursive: true, force: true, maxRetries: 5 });
  try {
    const context = await chromium.launchPersistentContext(profile, {
      executablePath,
      args: [...FLAGS, ...flags],
    });
    const close = () => context.close().finally(removeProfile);
    return { context, close };
  } catch (error) {
    await removeProfile();
    throw error;
  }
}
