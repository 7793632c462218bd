// Writes the documents that follow from the code: docs/configuration.md and docs/problems.md.
// With --check it writes nothing and fails when one of them is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { PROBLEMS } from '../dist/libs/errors/src/index.js';

const root = path.resolve(import.meta.dirname, '..');
const read = (name) => readFileSync(path.join(root, name), 'utf8');

const documents = { 'docs/configuration.md': configuration(), 'docs/problems.md': problems() };
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
  const rows = variables().map(({ name, initial, rule, meaning }) => {
    return `| \`${name}\` | ${initial ? `\`${initial}\`` : '–'} | ${meaning} | ${rule} |`;
  });
  return `# Configuration

All of it comes from environment variables. They are read once, at the start; an empty one counts as unset. When any
of them breaks its rule the process prints every fault at once, by name and never by value, and exits with 78.

| variable | default | meaning | rule |
|---|---|---|---|
${rows.join('\n')}

Durations are a whole number and a unit: \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`.

This page is made from \`libs/config/src/environment.ts\` by \`npm run docs\`.
`;
}

/** The class's members: the comment is the meaning, the decorator the rule, the initial value the default. */
function variables() {
  const file = 'libs/config/src/environment.ts';
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const declaration = source.statements.find(ts.isClassDeclaration);
  return declaration.members.map((member) => ({
    name: member.name.getText(),
    initial: ts.isStringLiteral(member.initializer) ? member.initializer.text : '',
    meaning: ts.getTextOfJSDocComment(member.jsDoc[0].comment).replace(/\s+/g, ' ').replaceAll('|', '\\|'),
    rule: ruleOf(ts.getDecorators(member)[0].expression),
  }));
}

/** In the words of the documentation; the rules themselves are in libs/config/src/rules.ts. */
function ruleOf({ expression, arguments: given }) {
  const value = (node) => {
    if (ts.isObjectLiteralExpression(node)) {
      return Object.fromEntries(node.properties.map((p) => [p.name.getText(), value(p.initializer)]));
    }
    return ts.isLiteralExpression(node) ? node.text : node.getText();
  };
  const [first, second] = given.map(value);
  const rules = {
    OneOf: () => given.map((choice) => `\`${value(choice)}\``).join(', '),
    Integer: () => `${first.min} to ${first.max}`,
    Duration: () => `${first.min} to ${first.max}`,
    Durations: () => `1 to ${first.most} of ${first.min} to ${first.max}, with commas`,
    Address: () => given.map((protocol) => `\`${value(protocol)}//…\``).join(', '),
    Secret: () => `at least ${first.minBytes} bytes`,
    ModeOf: () => '`enforce`, `monitor`, or names of limits with commas',
    Rates: () => 'one to three rates such as `5/10m`, with commas',
    Money: () => 'an amount, such as `99.50`',
    Networks: () => 'IP addresses or networks, with commas',
    Countries: () => 'country codes, with commas',
    Fallback: () => 'channels such as `sms>whatsapp>call@20s`',
    TestNumbers: () => 'numbers and codes with commas',
    DateOf: () => 'a date, or a date and time',
    Host: () => 'a host name',
    UrlTemplate: () => '`https://…` or `http://…`',
    Template: () => 'text with these placeholders and no others',
    HeadersObject: () => 'a JSON object',
    Pattern: () => 'a regular expression',
    Country: () => 'a country code, such as `US`',
    Matching: () => second,
  };
  return rules[expression.getText()]();
}

function problems() {
  const sections = Object.entries(PROBLEMS).map(([code, { status, title, explanation }]) => {
    return `## \`${code}\`\n\n**${status}** ${title}. ${explanation}\n`;
  });
  return `# Problems

Every error is an \`application/problem+json\` document (RFC 9457): \`type\`, \`title\`, \`status\`, \`detail\`, \`instance\`
(the request id) and \`code\`. The codes are stable; switch on them and on nothing else. A running server explains
each at \`/problems/{code}\`.

${sections.join('\n')}
This page is made from \`libs/errors/src/problems.ts\` by \`npm run docs\`.
`;
}
