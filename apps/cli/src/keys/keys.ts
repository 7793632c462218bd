import { SignedTokensService } from '#tokens';
import { runWithServices } from '../application.js';

export async function rotateKeys(): Promise<void> {
  await runWithServices(async (app) => `created ${await app.get(SignedTokensService).rotate()}`);
}
