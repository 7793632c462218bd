import type { Fault } from '#errors';
import { pointerTo } from './json-pointer.js';

/** `prototype` is no such member, but the validation pipe removes it as if it were one. */
const INHERITED = new Set([...Object.getOwnPropertyNames(Object.prototype), 'prototype']);

/**
 * Returns a fault for each member, at any depth, that has the name of a member of `Object.prototype`, such as
 * `constructor`. Validation looks names up in ordinary objects and would take these for known ones.
 */
export function inheritedNamesIn(value: object, parent = ''): Fault[] {
  return Object.keys(value).flatMap((name) => {
    const pointer = pointerTo(parent, name);
    if (INHERITED.has(name)) return [{ pointer, detail: 'is not known here' }];
    const inner = (value as Record<string, unknown>)[name];
    return typeof inner === 'object' && inner !== null ? inheritedNamesIn(inner, pointer) : [];
  });
}
