// Generates docs/configuration.md, docs/problems.md, docs/openapi.json and the types of the client from the built code
// (npm run build). With --check it writes nothing, and fails if one of them is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import openapiTypes, { astToString } from 'openapi-typescript';
import ts from 'typescript';
import { ApiModule } from '../dist/apps/api/src/api.module.js';
import { documentOf } from '../dist/apps/api/src/http/document-content.js';
import { Environment } from '../dist/libs/config/src/environment.js';
import { readConfig } from '../dist/libs/config/src/index.js';
import { rulesOf } from '../dist/libs/config/src/rules.js';
import { PROBLEMS } from '../dist/libs/errors/src/index.js';

const root = path.resolve(import.meta.dirname, '..');
const read = (name) => readFileSync(path.join(root, name), 'utf8');

/** A server in production with every documented route. */
const EXAMPLE_SERVER = {
  NODE_ENV: 'production',
  SECRET: 'example'.repeat(6),
  DATABASE_URL: 'postgres://database.example.org/latchkey',
  PUBLIC_URL: 'https://sign-in.example.org',
  OPERATOR_TOKEN: 'example'.repeat(6),
  CLIENTS_FILE: path.join(root, 'docs/clients.example.json'),
  MESSAGE_SENDER: 'http',
  HTTP_SENDER_URL: 'https://messages.example.org',
};

const document = await openApi();
const documents = {
  'docs/configuration.md': configuration(),
  'docs/problems.md': problems(),
  'docs/openapi.json': `${JSON.stringify(document, null, 2)}\n`,
  'clients/typescript/src/api.ts': await clientTypes(document),
};
const stale = Object.entries(documents).filter(([name, text]) => textOf(name) !== text);

if (process.argv.includes('--check')) {
  for (const [name] of stale) console.error(`${name} is out of date: run \`npm run docs\``);
  process.exit(stale.length);
}
for (const [name, text] of stale) writeFileSync(path.join(root, name), text);

function textOf(name) {
  try {
    return read(name);
  } catch {
    return null;
  }
}

function configuration() {
  const rules = rulesOf(Environment);
  const rows = variables().map(({ name, initial, meaning }) => {
    return `| \`${name}\` | ${initial ? `\`${initial}\`` : '–'} | ${cell(meaning)} | ${cell(rules[name])} |`;
  });
  return `# Configuration

Latchkey is configured by environment variables. They are read once, at startup. An empty variable counts as unset.
A file \`.env\` in the working directory is read, too (\`NAME=value\` in each line, in UTF-8); variables of the process take
precedence, empty ones included. Keep the file readable by its owner only: it holds secrets.
When variables are not valid, the process lists every fault by name, never by value, and exits with status 78.

| Variable | Default | Meaning | Must be |
|---|---|---|---|
${rows.join('\n')}

A duration is a whole number and a unit: \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`, for example \`90s\`.
A rate is a count and a duration: \`5/10m\` is five in ten minutes.

This page is generated from \`libs/config/src/environment.ts\` by \`npm run docs\`.
`;
}

/** Reads the names, default values and doc comments of the variables. Comments exist in the source only. */
function variables() {
  const file = 'libs/config/src/environment.ts';
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const declaration = source.statements.find(ts.isClassDeclaration);
  return declaration.members.map((member) => ({
    name: member.name.getText(),
    initial: ts.isStringLiteral(member.initializer) ? member.initializer.text : '',
    meaning: ts.getTextOfJSDocComment(member.jsDoc[0].comment),
  }));
}

function cell(text) {
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|');
}

function problems() {
  const sections = Object.entries(PROBLEMS).map(([code, { status, title, explanation }]) => {
    return `## \`${code}\`\n\n**${status}** ${title}. ${explanation}\n`;
  });
  return `# Problems

Every error response is an \`application/problem+json\` document (RFC 9457) with \`type\`, \`title\`, \`status\`, \`detail\`,
\`instance\` (the request id) and \`code\`. The codes are stable: let clients switch on \`code\`, not on the texts. A
running server serves each explanation at \`/problems/{code}\`.

${sections.join('\n')}
This page is generated from \`libs/errors/src/problems.ts\` by \`npm run docs\`.
`;
}

/** In a preview Nest creates no provider, so nothing connects to a database. */
async function openApi() {
  const config = readConfig(EXAMPLE_SERVER);
  const module = ApiModule.forRoot(config, EXAMPLE_SERVER.DATABASE_URL);
  const options = { preview: true, logger: ['error'], abortOnError: false };
  return documentOf(await NestFactory.create(module, new FastifyAdapter(), options), config);
}

/** The generator reads a copy: it resolves references in place. */
async function clientTypes(document) {
  const types = astToString(await openapiTypes(structuredClone(document)));
  return `// Generated from docs/openapi.json by \`npm run docs\`.\n\n${types}`;
}
