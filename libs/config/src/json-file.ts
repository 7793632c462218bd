import { readFileSync } from 'node:fs';

/**
 * Reads a JSON file.
 *
 * @throws Error whose message completes a sentence about a setting, and never quotes the file.
 */
export function readJsonFile(file: string): unknown {
  return parse(read(file));
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new Error(`the file cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`the file is not valid JSON${placeOf(error as Error, text)}`);
  }
}

/** Returns where the parser stopped, if it says so. The rest of its message may quote the file. */
function placeOf({ message }: Error, text: string): string {
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position === undefined) return '';
  const lines = text.slice(0, Number(position)).split('\n');
  return `: see line ${lines.length}, column ${(lines.at(-1) as string).length + 1}`;
}
