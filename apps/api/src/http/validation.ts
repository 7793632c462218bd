import { isIP } from 'node:net';
import { applyDecorators, Body, ValidationPipe } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import * as transformer from 'class-transformer';
import * as validator from 'class-validator';
import { ValidateBy, type ValidationError } from 'class-validator';
import { type Fault, InvalidRequest } from '#errors';
import { faultOfName, MAX_NAME_LENGTH } from '#users';
import { pointerTo } from './json-pointer.js';

/** Rejects unknown members. Reports all faults at once, each by its JSON Pointer and never with the value. */
const validation = new ValidationPipe({
  whitelist: true,
  forbidNonWhitelisted: true,
  transform: true,
  // Given, because the bundle does not contain packages that Nest loads by name.
  validatorPackage: validator,
  transformerPackage: transformer,
  validationError: { target: false, value: false },
  exceptionFactory: (errors) =>
    new InvalidRequest(
      'the body breaks the rules in `errors`',
      errors.flatMap((e) => faultsOf(e)),
    ),
});

/**
 * The body of a request as an instance of the parameter's class, validated. Not by a global pipe, which Nest would run for every
 * parameter of every route, in seven promises each.
 */
export const ValidBody = () => Body(validation);

/**
 * Text that every store can keep unchanged. Postgres rejects NUL, and UTF-8 cannot encode lone surrogates. Other
 * control characters are not valid in a name or a number.
 */
export function IsText({ max }: { max: number }): PropertyDecorator {
  const isText = ValidateBy({
    name: 'isText',
    validator: {
      validate: (value) =>
        typeof value === 'string' &&
        value.trim().length > 0 &&
        value.length <= max &&
        value.isWellFormed() &&
        !/\p{Cc}/u.test(value),
      defaultMessage: () => `must be text of 1 to ${max} characters, without control characters`,
    },
  });
  return applyDecorators(isText, ApiProperty({ minLength: 1, maxLength: max }));
}

/** Treats an empty text as absent in these members: a Go struct without `omitempty` always has them. */
export function EmptyIsAbsent(...members: string[]): ClassDecorator {
  const toAbsent = transformer.Transform(({ value }) => (value === '' ? undefined : value));
  return ({ prototype }) => {
    for (const member of members) toAbsent(prototype, member);
  };
}

/** Returns whether the text is an IP address without a zone (RFC 4007), which means nothing on another machine. */
export function isIpAddress(text: unknown): text is string {
  return typeof text === 'string' && !text.includes('%') && isIP(text) !== 0;
}

export function IsIpAddress(): PropertyDecorator {
  return ValidateBy({
    name: 'isIpAddress',
    validator: { validate: isIpAddress, defaultMessage: () => 'must be an IP address' },
  });
}

/** The name of a user, which is shown to other people. */
export function IsName(): PropertyDecorator {
  const isName = ValidateBy({
    name: 'isName',
    validator: {
      validate: (value) => typeof value === 'string' && faultOfName(value) === null,
      defaultMessage: (given) =>
        typeof given?.value === 'string' ? (faultOfName(given.value) ?? '') : 'must be text',
    },
  });
  return applyDecorators(isName, ApiProperty({ minLength: 1, maxLength: MAX_NAME_LENGTH }));
}

function faultsOf({ property, constraints = {}, children = [] }: ValidationError, parent = ''): Fault[] {
  const pointer = pointerTo(parent, property);
  const details = 'whitelistValidation' in constraints ? ['is not known here'] : Object.values(constraints);
  return [
    ...details.map((detail) => ({ pointer, detail })),
    ...children.flatMap((child) => faultsOf(child, pointer)),
  ];
}
