import { IsIn, IsOptional, Matches } from 'class-validator';
import { CHANNELS, type Channel } from '#config';
import { IsIpAddress, IsName, IsText } from './validation.js';

/** The members of request bodies. Each body picks its own (`PickType`), so a member has the same rules on every route. */
export class RequestFields {
  /**
   * International number with `+` and country code. National numbers are accepted if the server has a `DEFAULT_REGION`.
   * @example "+14155550100"
   */
  @IsText({ max: 64 })
  phone_number: string;

  /**
   * Channel that carries the code, one of those this server has a provider for. Default: the channel of the previous
   * message on a resend, otherwise the server's first channel.
   * @example "sms"
   */
  @IsOptional()
  @IsIn(CHANNELS, { message: `must be one of ${CHANNELS.join(', ')}` })
  channel?: Channel | null;

  /**
   * Language of the message (BCP 47). Default: chosen by `Accept-Language`, then by the server's default or the country
   * of the number.
   * @example "en"
   */
  @IsOptional()
  @Matches(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$/, {
    message: 'must be a language tag, such as en or pt-BR',
  })
  locale?: string | null;

  /**
   * SMS Retriever hash of the Android app that reads the code, one of those this server is configured with. The SMS then
   * ends with it. A resend keeps it. Default: the SMS ends with the line for browsers, if the server has a website, or
   * with its first hash.
   * @example "FA+9qCX9VSu"
   */
  @IsOptional()
  @IsText({ max: 32 })
  app_hash?: string | null;

  /**
   * `sign_in`: the code signs its user in. `verify`: the code proves the number to the client that requests it, without an account;
   * this needs the credentials of a client. Default: `sign_in`.
   * @example "sign_in"
   */
  @IsOptional()
  @IsIn(['sign_in', 'verify'], { message: 'must be sign_in or verify' })
  purpose?: 'sign_in' | 'verify' | null;

  /**
   * The IP address of the user, as the client (a backend) sees it. The limits and the abuse policy then count this address. Needs the
   * credentials of a client; without it the request counts for the client.
   * @example "203.0.113.7"
   */
  @IsOptional()
  @IsIpAddress()
  client_address?: string | null;

  /**
   * The code from the message. Spaces, hyphens and case are ignored.
   * @example "407918"
   */
  @IsText({ max: 32 })
  code: string;

  /**
   * Name of the user. Used if this sign-in creates the account. Printable characters, without a web address.
   * @example "Ada"
   */
  @IsOptional()
  @IsName()
  name?: string | null;

  /**
   * The code from the message. Leave it out to request one.
   * @example "407918"
   */
  @IsOptional()
  @IsText({ max: 32 })
  otp?: string | null;

  /**
   * The `device_token` of an earlier sign-in with this number. Takes precedence over the cookie `latchkey_device`.
   * Guesses and messages of other people do not slow a known device down.
   * @example "pJ0Xv2mQk1uZc8dY5rT3wAGbQ0l3WfYk2m8s9q7e6d5c4b3a291807f6e5d4c3b2a1908070605"
   */
  @IsOptional()
  @IsText({ max: 512 })
  device_token?: string | null;

  /**
   * The `refresh_token` of a sign-in or of the last refresh.
   * @example "MF3H5Q2N3XW4EYAV6DZTLM5RUI"
   */
  @IsText({ max: 64 })
  refresh_token: string;

  /**
   * The service that the signed token is for, one of `JWT_AUDIENCES`. Default: the first of them, or the address of this server.
   * @example "https://sign-in.example.org"
   */
  @IsOptional()
  @IsText({ max: 200 })
  audience?: string | null;

  /**
   * Solution of the `challenge` that came with `proof_of_work_required`: the Base64 of `{"challenge", "solution"}` as JSON.
   * @example "eyJjaGFsbGVuZ2UiOnt9LCJzb2x1dGlvbiI6e319"
   */
  @IsOptional()
  @IsText({ max: 4_096 })
  altcha?: string | null;
}
