import { Injectable, type OnModuleInit } from '@nestjs/common';
import { SendPolicyService } from '#abuse';
import { BackgroundService } from '#background';
import { BadNumbersRepository } from '#delivery';
import { VerificationService } from '#otp';
import { TokensRepository } from '#tokens';

const EVERY_MS = 10 * 60_000;

/** Deletes expired rows. */
@Injectable()
export class HousekeepingService implements OnModuleInit {
  constructor(
    private readonly background: BackgroundService,
    private readonly verifications: VerificationService,
    private readonly tokens: TokensRepository,
    private readonly sendPolicy: SendPolicyService,
    private readonly badNumbers: BadNumbersRepository,
  ) {}

  onModuleInit(): void {
    this.background.every(EVERY_MS, 'delete expired rows', async () => {
      await this.verifications.purge();
      await this.tokens.purge();
      await this.sendPolicy.purge();
      await this.badNumbers.purge();
    });
  }
}
