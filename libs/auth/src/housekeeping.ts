import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Sends } from '#abuse';
import { BackgroundService } from '#background';
import { BadNumbers } from '#messaging';
import { VerificationService } from '#otp';
import { TokensRepository } from '#tokens';

const EVERY_MS = 10 * 60_000;

/** Forgets what nobody can ask for any more. */
@Injectable()
export class Housekeeping implements OnModuleInit {
  constructor(
    private readonly background: BackgroundService,
    private readonly verifications: VerificationService,
    private readonly tokens: TokensRepository,
    private readonly sends: Sends,
    private readonly badNumbers: BadNumbers,
  ) {}

  onModuleInit(): void {
    this.background.every(EVERY_MS, 'forget what expired', async () => {
      await this.verifications.purge();
      await this.tokens.purge();
      await this.sends.purge();
      await this.badNumbers.purge();
    });
  }
}
