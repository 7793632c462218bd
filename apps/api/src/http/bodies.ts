import { isUtf8 } from 'node:buffer';
import { UnsupportedMediaTypeException } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest, RawServerDefault } from 'fastify';
import { InvalidRequest } from '#errors';

/** No body of this API nests at all; a few levels are left for the validation to complain about by name. */
const DEEPEST = 4;

/** Twilio's reports have about twenty, and whoever checks a signature has to sort them. */
const MOST_FIELDS = 100;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route's body is a form. */
    form?: boolean;
  }
}

/** Marks a route whose body is a form (application/x-www-form-urlencoded), for callers who know nothing else. */
export const AcceptsForm = () => RouteConfig({ form: true });

/** Bodies are JSON objects in UTF-8 (RFC 8259, section 8.1), or forms where a route says so, and nothing else is read. */
export function acceptBodies(fastify: FastifyInstance<RawServerDefault>): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (isEncodedOtherwise(request)) return done(new UnsupportedMediaTypeException());
    // Many clients label even a missing body as JSON.
    if (body.length === 0) return done(null, undefined);
    if (!isUtf8(body)) return done(new InvalidRequest('the body is not UTF-8'));
    parse(request, body.toString(), (error, value) => {
      const fault = error ? 'the body is not well-formed JSON' : faultOf(value);
      if (fault) done(new InvalidRequest(fault));
      else done(null, value);
    });
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

/** A name that comes twice has an array of values. In one pass: a body can hold thousands of names. */
function readForm(body: Buffer): Record<string, string | string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(body.toString())) {
    values.set(name, [...(values.get(name) ?? []), value]);
    if (values.size > MOST_FIELDS || (values.get(name)?.length ?? 0) > MOST_FIELDS)
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

function faultOf(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'the body must be a JSON object';
  // The validation would recurse into it until the stack is full.
  if (isDeeperThan(DEEPEST, value)) return 'the body is nested too deeply';
  // class-transformer leaves this member out, so the validation would not see that nobody knows it.
  return Object.hasOwn(value, 'constructor') ? 'the body has a member "constructor"' : null;
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(levels - 1, inner));
}
