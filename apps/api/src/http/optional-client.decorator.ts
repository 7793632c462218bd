import { applyDecorators } from '@nestjs/common';
import { ApiBasicAuth, ApiSecurity } from '@nestjs/swagger';
import { AcceptsClients } from '#auth';

/** Marks and documents a route for everyone on which a client may act for its users. */
export function ClientOptional(): MethodDecorator {
  // An empty requirement makes the other one optional (OpenAPI 3.1, section 4.8.30).
  return applyDecorators(AcceptsClients(), ApiSecurity({}), ApiBasicAuth('client'));
}
