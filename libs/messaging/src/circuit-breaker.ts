import {
  CircuitBreakerPolicy,
  CircuitState,
  circuitBreaker,
  handleWhenResult,
  isBrokenCircuitError,
  SamplingBreaker,
} from 'cockatiel';
import {
  type DeliveryReport,
  type Message,
  MessageSender,
  type Receipt,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-sender.js';

/** Open when half of at least twenty messages in ten seconds found nobody there. */
const SAMPLE = { windowMs: 10_000, leastCalls: 20, threshold: 0.499 };

const PAUSE_MS = 10_000;

/** The reason that messages are deferred for while a sender is spared. */
export const CIRCUIT_OPEN = 'circuit_open';

/**
 * Stands before a sender and spares it for a while once it is away, so that its messages are known not to go out at
 * once, rather than eight seconds later each, and can take another route.
 */
export class GuardedSender extends MessageSender {
  readonly name: MessageSender['name'];
  readonly channels: MessageSender['channels'];
  private readonly circuit: CircuitBreakerPolicy;
  private probeAt = 0;

  /**
   * @param onChange hears when nothing goes through the sender any more, and when it does again.
   * @param pauseMs how long the sender is spared before one message tries it out; shorter only in tests.
   */
  constructor(
    private readonly sender: MessageSender,
    private readonly onChange: (isOpen: boolean) => void = () => {},
    pauseMs = PAUSE_MS,
  ) {
    super();
    this.name = sender.name;
    this.channels = sender.channels;
    const breaker = new ProviderBreaker(() => this.circuit.lastFailure);
    this.circuit = circuitBreaker(handleWhenResult(isOutage), { breaker, halfOpenAfter: pauseMs });
    let isOpen = false;
    // Every probe that fails opens it again, which is no news.
    this.circuit.onBreak(() => {
      this.probeAt = Date.now() + pauseMs;
      if (!isOpen) this.onChange(true);
      isOpen = true;
    });
    this.circuit.onReset(() => {
      isOpen = false;
      this.onChange(false);
    });
  }

  async send(message: Message): Promise<Receipt> {
    // One message tries the sender out; the library would have the others wait for what becomes of it.
    if (this.circuit.state === CircuitState.HalfOpen) throw new SendDeferred(CIRCUIT_OPEN);
    const outcome = await this.outcomeOf(message);
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  override onReport(tell: (report: DeliveryReport) => void): void {
    this.sender.onReport(tell);
  }

  override get wantsConfirmation(): boolean {
    return this.sender.wantsConfirmation;
  }

  override confirm(providerId: string): Promise<void> {
    return this.sender.confirm(providerId);
  }

  /** A refusal is an outcome too: whoever refuses is there. The library counts no call that throws what it does not handle. */
  private async outcomeOf(message: Message): Promise<Outcome> {
    try {
      return await this.circuit.execute(() => settled(this.sender.send(message)));
    } catch (error) {
      if (!isBrokenCircuitError(error)) throw error;
      throw new SendDeferred(CIRCUIT_OPEN, Math.max(0, this.probeAt - Date.now()));
    }
  }
}

type Outcome = PromiseSettledResult<Receipt>;

async function settled(sent: Promise<Receipt>): Promise<Outcome> {
  const [outcome] = await Promise.allSettled([sent]);
  return outcome;
}

function isOutage(outcome: unknown): boolean {
  const { reason } = outcome as Partial<PromiseRejectedResult>;
  if (reason instanceof SendDeferred) return reason.means === 'outage';
  return reason instanceof SendOutcomeUnknown || isCertain(reason);
}

/** The provider itself said that nothing goes through: no need for a second opinion. */
function isCertain(reason: unknown): boolean {
  return reason instanceof SendRefused && reason.failure.means === 'outage';
}

type LastFailure = CircuitBreakerPolicy['lastFailure'];

/** Opens by the share of failures, and at once when one of them leaves no doubt. */
class ProviderBreaker extends SamplingBreaker {
  /** @param latest the library remembers a failure before it asks what to make of it. */
  constructor(private readonly latest: () => LastFailure) {
    const { windowMs, leastCalls, threshold } = SAMPLE;
    super({ threshold, duration: windowMs, minimumRps: leastCalls / (windowMs / 1_000) });
  }

  override failure(state: CircuitState): boolean {
    const isTooMany = super.failure(state);
    return isTooMany || isCertain(reasonOf(this.latest()));
  }
}

function reasonOf(failure: LastFailure): unknown {
  return failure && 'value' in failure ? (failure.value as PromiseRejectedResult).reason : undefined;
}
