#!/usr/bin/env node
// The `latchkey` command of a project folder: builds if a source changed, then runs apps/cli.
import { buildIfStale, startProgram } from './programs.mjs';

await buildIfStale();
await startProgram('cli', process.argv.slice(2));
