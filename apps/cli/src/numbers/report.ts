import type { NumberReport, VerificationReport } from '#auth';

type Line = readonly [label: string, value: string];

/** One block for the number, one for each verification, and one for what limits the next message. */
export function textOf(report: NumberReport): string {
  const { verifications } = report;
  return [
    block(report.phone_number, numberLines(report)),
    ...verifications.map((each) => block(`verification ${each.reference}`, verificationLines(each))),
    block('the next message', nextMessageLines(report)),
  ].join('\n\n');
}

function numberLines(report: NumberReport): Line[] {
  const { user, verifications } = report;
  return [
    ['hash in logs', report.number_hash],
    ['country, line', `${report.country}, ${report.line}`],
    ['account', user ? `${user.id}, created ${time(user.created_at)}` : 'none'],
    ['verifications', verifications.length === 0 ? 'none kept' : `${verifications.length}, newest first`],
    ...(report.test_number ? [line('test number', 'gets no messages')] : []),
  ];
}

function verificationLines({ delivery, ...verification }: VerificationReport): Line[] {
  const { status, purpose, known_device, messages, attempts_left, code_length } = verification;
  const { reason, provider_id, fell_back, retried } = delivery;
  const traits = [reason, fell_back && 'after a fallback', retried && 'after a retry'].filter(Boolean);
  return [
    ['status', `${status}, ${purpose}, ${known_device ? 'known' : 'unknown'} device`],
    ['delivery', [delivery.status, ...traits].join(', ')],
    ['route', `${delivery.channel} by ${delivery.provider}, id ${provider_id ?? 'none'}`],
    ['delivery times', `requested ${time(delivery.requested_at)}, updated ${time(delivery.updated_at)}`],
    ['messages', `${messages}, code of ${code_length}`],
    ['attempts left', String(attempts_left)],
    ['created', time(verification.created_at)],
    ['expires', time(verification.expires_at)],
    ['resend from', time(verification.resend_at)],
  ];
}

function nextMessageLines(report: NumberReport): Line[] {
  const { guessing, spending } = report;
  const recorded = (enforced: boolean) => (enforced ? '' : ', only recorded');
  return [
    ...report.limits.map(({ name, devices, used, points, reached, resets_at, enforced }) => {
      const state = `${used} of ${points}, until ${time(resets_at)}`;
      return line(name, `${reached ? 'reached' : 'free'}: ${state}, ${devices} devices${recorded(enforced)}`);
    }),
    ...(report.country_allowed ? [] : [line('country', 'not in ALLOWED_COUNTRIES')]),
    ...report.bad_routes.map(({ channel, provider, reason, code, until }) =>
      line('bad number', `${channel} by ${provider}: ${reason} (${code}), until ${time(until)}`),
    ),
    ...report.blocks.map(({ id, action, until }) =>
      line(action, `${id}, until ${time(until)}${recorded(report.breaker_enforced)}`),
    ),
    ...(report.contested
      ? [line('contested', `unknown devices need a proof of work${recorded(report.breaker_enforced)}`)]
      : []),
    ...spending.not_served_by.map(({ channel, provider }) =>
      line('not served', `${report.country} for ${channel} by ${provider}`),
    ),
    ['code length', `${guessing.code_length} for unknown devices`],
    ['guesses', `${guessing.guesses} in a year`],
    ...(guessing.wait_until
      ? [line('next guess', `from ${time(guessing.wait_until)}${recorded(guessing.enforced)}`)]
      : []),
    ['spent today', `${share(spending.country)} on ${report.country}, ${share(spending.total)} in total`],
  ];
}

function share({ spent, cap }: { spent: number; cap: number }): string {
  return `${spent} of ${cap}`;
}

function line(label: string, value: string): Line {
  return [label, value];
}

function block(title: string, lines: readonly Line[]): string {
  return [title, ...lines.map(([label, value]) => `  ${label.padEnd(18)}${value}`)].join('\n');
}

function time(date: Date): string {
  return date.toISOString();
}
