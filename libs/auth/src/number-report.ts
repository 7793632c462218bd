import type { DeviceLimit, NumberStatus } from '#abuse';
import type { BadRoute } from '#delivery';
import { attemptsLeft, referenceOf, type Verification } from '#otp';
import type { PhoneNumber } from '#phone';
import type { User } from '#users';

/** All that is known about a number. */
export interface NumberFacts {
  readonly phoneNumber: PhoneNumber;
  readonly numberHash: string;
  readonly isTestNumber: boolean;
  readonly user: User | null;
  readonly verifications: readonly Verification[];
  readonly badRoutes: readonly BadRoute[];
  readonly status: NumberStatus;
}

/** The answer to "a user says that no SMS came", as operators read it. */
export type NumberReport = ReturnType<typeof numberReportOf>;
export type VerificationReport = NumberReport['verifications'][number];

const MILLION = 1_000_000;

export function numberReportOf(facts: NumberFacts) {
  const { user, status } = facts;
  const { guessing } = status;
  return {
    phone_number: facts.phoneNumber as string,
    number_hash: facts.numberHash,
    country: status.country,
    line: status.line,
    country_allowed: status.isCountryAllowed,
    test_number: facts.isTestNumber,
    user: user && { id: user.id, created_at: user.createdAt },
    verifications: facts.verifications.map(verificationReportOf),
    limits: status.limits.map((limit) => limitReportOf(limit, status)),
    guessing: {
      code_length: guessing.codeLength,
      guesses: guessing.guesses,
      wait_until: guessing.waitMs > 0 ? after(status.at, guessing.waitMs) : null,
      enforced: !status.monitored.includes('guesses_per_number'),
    },
    contested: status.isContested,
    breaker_enforced: status.isBreakerEnforced,
    blocks: status.blocks.map(({ id, action, since, until }) => ({ id, action, since, until })),
    bad_routes: facts.badRoutes.map(({ route, failure: { reason, code }, until }) => {
      return { ...route, reason: reason as string, code, until };
    }),
    spending: spendingReportOf(status),
  };
}

function verificationReportOf(verification: Verification) {
  const { id, purpose, status, device, route, messageCount, codeLength, delivery } = verification;
  return {
    reference: referenceOf(id),
    purpose,
    status,
    known_device: device !== null,
    messages: messageCount,
    attempts_left: fewestAttemptsLeft(verification),
    code_length: codeLength,
    created_at: verification.createdAt,
    expires_at: verification.expiresAt,
    resend_at: verification.resendAt,
    delivery: {
      ...route,
      status: delivery.status,
      reason: delivery.reason,
      provider_id: delivery.providerId,
      fell_back: delivery.fallback === 'used',
      retried: delivery.retried,
      requested_at: delivery.requestedAt,
      updated_at: delivery.updatedAt,
    },
  };
}

/** The clients of a sign-up have attempts of their own, which are counted apart from those of the verification. */
function fewestAttemptsLeft(verification: Verification): number {
  const { attemptsLeft: limit, clients } = verification;
  const left = Object.keys(clients).map((client) =>
    attemptsLeft(verification, { client, limit, group: null }),
  );
  return Math.max(0, Math.min(limit, ...left));
}

/** A limit holds while all its points are used. */
function limitReportOf({ limit, devices, used, points, msLeft }: DeviceLimit, status: NumberStatus) {
  return {
    name: limit,
    devices,
    used,
    points,
    reached: used >= points,
    resets_at: after(status.at, msLeft),
    enforced: !status.monitored.includes(limit),
  };
}

function spendingReportOf({ spending: { day, spent, caps, notServedBy } }: NumberStatus) {
  return {
    day,
    country: { spent: spent.country / MILLION, cap: caps.perCountry },
    total: { spent: spent.total / MILLION, cap: caps.perDay },
    not_served_by: notServedBy.map(({ channel, provider }) => ({ channel, provider })),
  };
}

function after(time: Date, ms: number): Date {
  return new Date(time.getTime() + ms);
}
