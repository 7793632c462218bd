import { isUtf8 } from 'node:buffer';
import { UnsupportedMediaTypeException } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest, RawServerDefault } from 'fastify';
import { InvalidRequest, MalformedBody } from '#errors';
import { inheritedNamesIn } from './inherited-names.js';

/** No body of this API is nested. A few levels are allowed so that validation can name the faulty member. */
const MAX_DEPTH = 4;

/** Twilio's reports have about twenty fields. Checking a signature sorts them, which must stay cheap. */
const MAX_FIELDS = 100;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True if the body of the route is a form. */
    form?: boolean;
  }
}

/** Accepts a form (application/x-www-form-urlencoded) as the body of the route. */
export const AcceptsForm = () => RouteConfig({ form: true });

/** Accepts JSON objects in UTF-8 (RFC 8259, section 8.1), and forms on routes with `@AcceptsForm()`. */
export function acceptBodies(fastify: FastifyInstance<RawServerDefault>): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (isEncodedOtherwise(request)) return done(new UnsupportedMediaTypeException());
    // Many clients send the content type of JSON without a body.
    if (body.length === 0) return done(null, undefined);
    if (!isUtf8(body)) return done(new MalformedBody('the body is not UTF-8'));
    try {
      done(null, readObject(body.toString()));
    } catch (error) {
      done(error as Error);
    }
  });
  const form = 'application/x-www-form-urlencoded';
  fastify.addContentTypeParser(form, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (!request.routeOptions.config.form) return done(new UnsupportedMediaTypeException());
    try {
      done(null, readForm(body));
    } catch (error) {
      done(error as Error);
    }
  });
}

/** A repeated name has an array of values. Stops at the limit: a body can hold thousands of names. */
function readForm(body: Buffer): Record<string, string | string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(body.toString())) {
    values.set(name, [...(values.get(name) ?? []), value]);
    if (values.size > MAX_FIELDS || (values.get(name)?.length ?? 0) > MAX_FIELDS)
      throw new InvalidRequest('the form has too many fields');
  }
  return Object.fromEntries(
    [...values].map(([name, all]) => [name, all.length === 1 ? (all[0] as string) : all]),
  );
}

function isEncodedOtherwise({ headers }: FastifyRequest): boolean {
  const [, charset = 'utf-8'] = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(headers['content-type'] ?? '') ?? [];
  return !/^utf-?8$/i.test(charset) || headers['content-encoding'] !== undefined;
}

function readObject(text: string): object {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MalformedBody('the body must be a JSON object');
  // Validation is recursive, so deep nesting would overflow the stack.
  if (isDeeperThan(MAX_DEPTH, value)) throw new MalformedBody('the body is nested too deeply');
  const faults = inheritedNamesIn(value);
  if (faults.length > 0) throw new InvalidRequest('the body breaks the rules in `errors`', faults);
  return value;
}

function parseJson(text: string): unknown {
  try {
    // RFC 8259, section 8.1: a parser may ignore a byte order mark.
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    throw new MalformedBody('the body is not well-formed JSON');
  }
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(levels - 1, inner));
}
