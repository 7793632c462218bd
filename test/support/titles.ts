/** Makes rows for `it.each` whose first column shortens the value for the title. */
export function labelled(values: string[]): (readonly [label: string, value: string])[] {
  return values.map((value) => [JSON.stringify(value.slice(0, 50)), value]);
}
