import { Injectable, type OnModuleInit } from '@nestjs/common';
import { SendPolicyService } from '#abuse';
import { BackgroundService } from '#background';
import { BadNumbersRepository } from '#delivery';
import { IdempotencyService } from '#idempotency';
import { VerificationService } from '#otp';
import { ActiveSessionsRepository, TokensRepository } from '#tokens';

const EVERY_MS = 10 * 60_000;

/** Deletes expired rows. Each kind is work of its own, so that the failure of one does not keep the others. */
@Injectable()
export class HousekeepingService implements OnModuleInit {
  constructor(
    private readonly background: BackgroundService,
    private readonly verifications: VerificationService,
    private readonly tokens: TokensRepository,
    private readonly sessions: ActiveSessionsRepository,
    private readonly sendPolicy: SendPolicyService,
    private readonly badNumbers: BadNumbersRepository,
    private readonly idempotency: IdempotencyService,
  ) {}

  onModuleInit(): void {
    const kinds = {
      verifications: this.verifications,
      tokens: this.tokens,
      sessions: this.sessions,
      'limits and abuse states': this.sendPolicy,
      'bad numbers': this.badNumbers,
      'idempotent answers': this.idempotency,
    };
    for (const [name, rows] of Object.entries(kinds))
      this.background.every(EVERY_MS, `delete expired ${name}`, () => rows.purge());
  }
}
