import { CHANNELS, type Channel } from '#config';
import { InvalidRequest } from '#errors';
import { isIpAddress } from '../http/validation.js';

/** A form. A repeated parameter has an array of values. */
export type Form = Readonly<Record<string, string | string[]>> | undefined;

/** The parameters of a new verification that have a meaning here. Twilio's other parameters are ignored. */
export interface NewVerificationForm {
  readonly phone_number: string;
  /** Null: the server's first channel, which Twilio calls `auto`. */
  readonly channel: Channel | null;
  readonly locale: string | null;
  readonly app_hash: string | null;
  /** The IP address of the user. */
  readonly client_address: string | null;
}

/** The parameters of a check. */
export interface CheckForm {
  readonly code: string;
  readonly sidOrNumber: string;
  /** The IP address of the user. */
  readonly client_address: string | null;
}

/** Parameters that change what a code proves. To ignore them would weaken the caller's check. */
const REFUSED = ['CustomCode', 'Amount', 'Payee', 'SnaClientToken'];

/** @throws InvalidRequest */
export function newVerificationIn(form: Form): NewVerificationForm {
  refuseUnsupported(form);
  return {
    phone_number: required(form, 'To'),
    channel: channelIn(form),
    locale: optional(form, 'Locale'),
    app_hash: optional(form, 'AppHash'),
    client_address: addressIn(form),
  };
}

/** @throws InvalidRequest */
export function checkIn(form: Form): CheckForm {
  refuseUnsupported(form);
  const [to, sid] = [optional(form, 'To'), optional(form, 'VerificationSid')];
  if (to === null && sid === null) throw new InvalidRequest('send `To` or `VerificationSid`');
  return {
    code: required(form, 'Code'),
    sidOrNumber: (sid ?? to) as string,
    client_address: addressIn(form),
  };
}

/** @throws InvalidRequest for every other status than `canceled`. */
export function requireCancellation(form: Form): void {
  if (required(form, 'Status') !== 'canceled')
    throw new InvalidRequest('`Status` must be `canceled`: a verification is approved by its code only');
}

function channelIn(form: Form): Channel | null {
  const channel = required(form, 'Channel').toLowerCase();
  if (channel === 'auto') return null;
  const known = CHANNELS.find((each) => each === channel);
  if (known === undefined) throw new InvalidRequest(`\`Channel\` must be auto, ${CHANNELS.join(', ')}`);
  return known;
}

function addressIn(form: Form): string | null {
  const address = optional(form, 'DeviceIp');
  if (address !== null && !isIpAddress(address)) throw new InvalidRequest('`DeviceIp` must be an IP address');
  return address;
}

function refuseUnsupported(form: Form): void {
  const unsupported = REFUSED.filter((name) => optional(form, name) !== null);
  if (unsupported.length > 0) throw new InvalidRequest(`${unsupported.join(', ')}: not supported`);
}

function required(form: Form, name: string): string {
  const value = optional(form, name);
  if (value === null) throw new InvalidRequest(`\`${name}\` is missing`);
  return value;
}

/** A parameter without a value counts as missing. */
function optional(form: Form, name: string): string | null {
  const value = form?.[name] ?? '';
  if (typeof value !== 'string') throw new InvalidRequest(`\`${name}\` is repeated`);
  return value === '' ? null : value;
}
