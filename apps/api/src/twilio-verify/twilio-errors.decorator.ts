import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { TwilioErrorDto } from './twilio-verification.dto.js';

const ERRORS = {
  400: 'A parameter is missing or not valid (60200).',
  401: 'The credentials of the client are missing or wrong (20003).',
  403: 'The destination is blocked (60410) or not allowed (60605).',
  404: 'There is no such verification, or it is closed (20404).',
  413: 'The form is too large (20413).',
  415: 'The body is not a form (20415).',
  429: 'Too many messages (60203), checks of one code (60202) or requests (20429).',
  500: 'An unexpected error (20500).',
  503: 'A dependency does not respond (20503).',
} as const;

const OF_FORMS = ['413', '415'];

/** Documents the errors of a route in the form of Twilio Verify. */
export function TwilioErrors({ takesForm = true } = {}): MethodDecorator {
  const errors = Object.entries(ERRORS).filter(([status]) => takesForm || !OF_FORMS.includes(status));
  const responses = errors.map(([status, description]) =>
    ApiResponse({
      status: Number(status),
      description,
      content: { 'application/json': { schema: { $ref: getSchemaPath(TwilioErrorDto) } } },
    }),
  );
  return applyDecorators(ApiExtraModels(TwilioErrorDto), ...responses);
}
