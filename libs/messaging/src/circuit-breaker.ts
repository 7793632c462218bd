import {
  CircuitBreakerPolicy,
  CircuitState,
  circuitBreaker,
  handleWhenResult,
  isBrokenCircuitError,
  SamplingBreaker,
} from 'cockatiel';
import {
  CIRCUIT_OPEN,
  type DeliveryReport,
  type Message,
  MessageProvider,
  type Receipt,
  SendDeferred,
  SendOutcomeUnknown,
  SendRefused,
} from './message-provider.js';

/** The circuit opens when half of at least twenty messages in ten seconds fail with an outage. */
const SAMPLE = { windowMs: 10_000, leastCalls: 20, threshold: 0.499 };

const PAUSE_MS = 10_000;

/**
 * A circuit breaker in front of a provider. While the circuit is open, messages are deferred at once instead of after
 * eight seconds each, so that they can fall back to another route.
 */
export class GuardedProvider extends MessageProvider {
  readonly name: MessageProvider['name'];
  readonly channels: MessageProvider['channels'];
  private readonly circuit: CircuitBreakerPolicy;
  private probeAt = 0;

  /**
   * @param onChange is called when the circuit opens, and when it closes again.
   * @param pauseMs how long the circuit stays open before one message probes the provider; shorter only in tests.
   */
  constructor(
    private readonly provider: MessageProvider,
    private readonly onChange: (isOpen: boolean) => void = () => {},
    pauseMs = PAUSE_MS,
  ) {
    super();
    this.name = provider.name;
    this.channels = provider.channels;
    const breaker = new ProviderBreaker(() => this.circuit.lastFailure);
    this.circuit = circuitBreaker(handleWhenResult(isOutage), { breaker, halfOpenAfter: pauseMs });
    let isOpen = false;
    // Every failed probe opens the circuit again; only the first opening is a change.
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
    // One message probes the provider; the library would make the others wait for its outcome.
    if (this.circuit.state === CircuitState.HalfOpen) throw new SendDeferred(CIRCUIT_OPEN);
    const outcome = await this.outcomeOf(message);
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  override onReport(listener: (reference: string, report: DeliveryReport) => void): void {
    this.provider.onReport(listener);
  }

  override get sendsText(): boolean {
    return this.provider.sendsText;
  }

  override get wantsConfirmation(): boolean {
    return this.provider.wantsConfirmation;
  }

  override confirm(providerId: string): Promise<void> {
    return this.provider.confirm(providerId);
  }

  override tryCredentials(): Promise<void> {
    return this.provider.tryCredentials();
  }

  /** Turns a refusal into an outcome, because the library does not count a call that throws an error it does not handle. */
  private async outcomeOf(message: Message): Promise<Outcome> {
    try {
      return await this.circuit.execute(() => settled(this.provider.send(message)));
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
  return reason instanceof SendOutcomeUnknown || isReportedOutage(reason);
}

/** Returns whether the provider itself reported an outage. One such message opens the circuit. */
function isReportedOutage(reason: unknown): boolean {
  return reason instanceof SendRefused && reason.failure.means === 'outage';
}

type LastFailure = CircuitBreakerPolicy['lastFailure'];

/** Opens when the share of failures is too high, and at once when the provider itself reports an outage. */
class ProviderBreaker extends SamplingBreaker {
  /** @param latest returns the newest failure, which the library records before it calls `failure`. */
  constructor(private readonly latest: () => LastFailure) {
    const { windowMs, leastCalls, threshold } = SAMPLE;
    super({ threshold, duration: windowMs, minimumRps: leastCalls / (windowMs / 1_000) });
  }

  override failure(state: CircuitState): boolean {
    const isTooMany = super.failure(state);
    return isTooMany || isReportedOutage(reasonOf(this.latest()));
  }
}

function reasonOf(failure: LastFailure): unknown {
  return failure && 'value' in failure ? (failure.value as PromiseRejectedResult).reason : undefined;
}
