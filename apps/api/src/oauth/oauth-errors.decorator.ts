import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { PROBLEMS, type ProblemCode } from '#errors';
import { OAuthErrorDto } from './oauth-error.dto.js';

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
