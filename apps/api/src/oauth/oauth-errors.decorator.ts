import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, ApiSchema, getSchemaPath } from '@nestjs/swagger';
import { PROBLEMS, type ProblemCode } from '#errors';

@ApiSchema({ description: 'An error of OAuth (RFC 6749, section 5.2).' })
export class OAuthErrorDto {
  /**
   * The error.
   * @example "invalid_client"
   */
  error: string;

  /**
   * The cause, for developers.
   * @example "send the id and the secret of a client by HTTP Basic"
   */
  error_description: string;

  /**
   * A page about the problem.
   * @example "https://sign-in.example.org/problems/invalid_client"
   */
  error_uri: string;
}

const CODES: ProblemCode[] = [
  'invalid_request',
  'invalid_client',
  'payload_too_large',
  'unsupported_media_type',
  'rate_limited',
  'internal_error',
  'unavailable',
];

/** Documents the errors of a route of OAuth. */
export function OAuthErrors(): MethodDecorator {
  const responses = CODES.map((code) =>
    ApiResponse({
      status: PROBLEMS[code].status,
      description: PROBLEMS[code].title,
      content: { 'application/json': { schema: { $ref: getSchemaPath(OAuthErrorDto) } } },
    }),
  );
  return applyDecorators(ApiExtraModels(OAuthErrorDto), ...responses);
}
