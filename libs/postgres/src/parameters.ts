/** A parameter (`:id`), not a cast (`::text`). */
const PARAMETER = /(?<!:):(\w+)/g;

/**
 * The source of a statement that does the same for several elements: the column `each`, from the JSON array of the parameter
 * `all`, in its order. The condition is true, and makes Postgres expect one element. So it looks up the rows of a table that grows by
 * their key, also with a plan from the time when the table was empty.
 */
export const EACH = `(
  select each from jsonb_array_elements(:all::jsonb) as each where each @> '{}') as elements`;

/** A statement with named parameters, as Postgres takes it. */
export interface Numbered {
  readonly text: string;
  /** The parameters in the order of their numbers. */
  readonly names: readonly string[];
}

/** Numbers the parameters of a statement in the order in which they first occur. */
export function numbered(text: string): Numbered {
  const names: string[] = [];
  const positional = text.replace(PARAMETER, (_, name: string) => {
    if (!names.includes(name)) names.push(name);
    return `$${names.indexOf(name) + 1}`;
  });
  return { text: positional, names };
}

/**
 * Returns SQL that takes the values of its parameters from an element of `EACH`.
 *
 * @param types of the parameters that are not text.
 */
export function perElement(text: string, types: Readonly<Record<string, string>>): string {
  return text.replace(PARAMETER, (_, name: string) => `(each ->> '${name}')::${types[name] ?? 'text'}`);
}
