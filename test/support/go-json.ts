/** The types of a Go struct's fields, as `encoding/json` decodes into them. */
type GoType = 'string' | 'bool' | 'int' | 'int64' | 'time.Time' | GoStruct;
export interface GoStruct {
  readonly [member: string]: GoType;
}

type Decoded<T extends GoType> = T extends GoStruct
  ? { readonly [Member in keyof T]: Decoded<T[Member]> }
  : T extends 'bool'
    ? boolean
    : T extends 'int' | 'int64'
      ? number
      : string;

const ZERO = { string: '', bool: false, int: 0, int64: 0, 'time.Time': '0001-01-01T00:00:00Z' };

/** The layout `time.RFC3339`, in which the Go server wrote its times. */
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/;

/**
 * Decodes JSON as Go's `encoding/json` decodes it into a struct: unknown members are ignored, absent ones and `null` leave
 * the zero value, and a value of another type is an error. Times are stricter here: without a fraction.
 */
export function decodeGo<T extends GoStruct>(json: unknown, struct: T): Decoded<T> {
  return decode(json, struct, 'body') as Decoded<T>;
}

function decode(value: unknown, type: GoType, place: string): unknown {
  if (typeof type === 'object') return decodeStruct(value, type, place);
  if (value === undefined || value === null) return ZERO[type];
  if (isOf(value, type)) return value;
  throw new Error(`json: cannot unmarshal ${JSON.stringify(value)} into Go value ${place} of type ${type}`);
}

function decodeStruct(value: unknown, struct: GoStruct, place: string): object {
  const isObject = typeof value === 'object' && !Array.isArray(value);
  if (value !== undefined && !isObject) throw new Error(`json: cannot unmarshal ${place} into a Go struct`);
  const members = (value ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(struct).map(([name, type]) => [name, decode(members[name], type, `${place}.${name}`)]),
  );
}

function isOf(value: unknown, type: keyof typeof ZERO): boolean {
  if (type === 'time.Time') return typeof value === 'string' && RFC3339.test(value);
  if (type === 'string') return typeof value === 'string';
  if (type === 'bool') return typeof value === 'boolean';
  return Number.isSafeInteger(value);
}
