// Checks the language of comments, texts and documents: plain words, and the terms of the glossary below.
// Usage: node scripts/language.mjs [paths]. Without paths it checks everything.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

/** A pattern to avoid (a space stands for any white space, also between lines of a comment), and its replacement. */
const GLOSSARY = [
  ['whoever|whomever', 'name the actor: the requester, the client, the operator'],
  ['(no|some|any|every)body', 'name the actor: the requester, the client, the operator, an attacker'],
  ['askers?', 'requester'],
  ['the person', 'the user, the recipient'],
  ['strangers?', 'unknown device, attacker'],
  ['(is|are|was|were) told', 'receives, learns, is notified'],
  ['(what|all that) (is|was|are) heard( of)?|(is|was|are) heard of', 'delivery report'],
  ['what (becomes|became|can become|comes) of', 'the result of, the state of'],
  ['h[eo]lds? back|holding back', 'block, suspend'],
  ['(give|gives|gave|given|giving)( it| them)? back', 'refund, return'],
  ['tak(e|es|ing|en) down|took down', 'record'],
  ['mak(e|es|ing) as if', 'simulate, pretend'],
  ['as (they|it) stands?', 'unchanged, current'],
  ['in the way of', 'prevent, block'],
  ['anew', 'again'],
  ['mend(s|ed|ing)?', 'fix'],
  ['upon', 'on'],
  ['besides', 'also, in addition to'],
  ['for ever', 'permanently, indefinitely'],
  ['for years to come', 'permanently'],
  ['loudly', 'with a warning, with an error'],
  ['dearest', 'most expensive'],
  ['riddles?', 'unclear error'],
  ['in clear', 'in plain text'],
  ['(bore|bears?|bearing) fruit', 'succeed'],
  ['house|doors?', 'a technical term instead of a picture'],
  ['rooms|this room', 'library, module'],
];

/** The checker itself, texts for users in ten languages, and files that other parties wrote. */
const EXCLUDED = [
  'scripts/language.mjs',
  'libs/messaging/locales',
  'package-lock.json',
  'test/contract/twilio-messages.openapi.json',
];

const FOLDERS = ['apps', 'libs', 'clients', 'examples', 'test', 'bench', 'scripts', 'docs'];
const CODE = /\.([cm]?[jt]s)$/;
const TEXT = /(\.(md|json|ya?ml|sql|lua|sh|html)|^Dockerfile)$/;
const OPENING = /\/\*\*[\s*]+(what|how|whether|those|who)\b/gi;

const root = path.resolve(import.meta.dirname, '..');
const patterns = GLOSSARY.map(([words, advice]) => {
  const spaced = words.replaceAll(' ', '[\\s*/#]+');
  // A word between quotes is a name, such as the system user `nobody`.
  const isName = `(?<=['"\`])(?:${spaced})['"\`]`;
  return { pattern: new RegExp(`(?!${isName})\\b(${spaced})\\b`, 'gi'), advice: `use ${advice}` };
});
const findings = filesOf(process.argv.slice(2)).flatMap(findingsIn);
for (const { file, line, found, advice } of findings) console.error(`${file}:${line}: "${found}": ${advice}`);
process.exit(findings.length > 0 ? 1 : 0);

function filesOf(names) {
  const inRoot = readdirSync(root).filter((name) => statSync(path.join(root, name)).isFile());
  const starts = names.length > 0 ? names : [...inRoot, ...FOLDERS];
  const files = starts.flatMap((name) => filesUnder(path.relative(root, path.resolve(name))));
  return files.filter((file) => CODE.test(file) || TEXT.test(path.basename(file)));
}

function filesUnder(name) {
  const full = path.join(root, name);
  const stats = statSync(full, { throwIfNoEntry: false });
  if (!stats || EXCLUDED.includes(name) || ['node_modules', 'dist'].includes(path.basename(name))) return [];
  if (stats.isFile()) return [name];
  return readdirSync(full).flatMap((inner) => filesUnder(path.join(name, inner)));
}

function findingsIn(file) {
  const text = readFileSync(path.join(root, file), 'utf8');
  const prose = CODE.test(file) ? proseOf(file, text) : text;
  const at = (match, found, advice) => ({
    file,
    line: text.slice(0, match.index).split('\n').length,
    found: found.replace(/[\s*/#]+/g, ' '),
    advice,
  });
  const words = patterns.flatMap(({ pattern, advice }) =>
    [...prose.matchAll(pattern)].map((match) => at(match, match[0], advice)),
  );
  const openings = [...prose.matchAll(OPENING)].map((match) =>
    at(match, match[1], 'begin a doc comment with a verb in the third person or with a noun phrase'),
  );
  return [...words, ...openings].sort((a, b) => a.line - b.line);
}

/** Keeps comments and string literals in their places and blanks out the code: identifiers are not checked. */
function proseOf(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const ranges = new Map();
  const add = ({ pos, end }) => ranges.set(pos, end);
  const visit = (node) => {
    if (ts.isJSDoc(node)) return;
    if (isText(node)) add({ pos: node.getStart(source), end: node.end });
    const children = node.getChildren(source);
    if (children.length === 0) {
      for (const comment of ts.getLeadingCommentRanges(text, node.pos) ?? []) add(comment);
      for (const comment of ts.getTrailingCommentRanges(text, node.end) ?? []) add(comment);
    }
    children.forEach(visit);
  };
  visit(source);
  const blank = text.replace(/\S/g, '\0');
  let prose = '';
  for (const [pos, end] of [...ranges].sort(([a], [b]) => a - b)) {
    prose += blank.slice(prose.length, pos) + text.slice(pos, end);
  }
  return prose + blank.slice(prose.length);
}

function isText(node) {
  const isPart = ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node);
  const isSpecifier =
    ts.isImportDeclaration(node.parent ?? node) || ts.isExportDeclaration(node.parent ?? node);
  return isPart || (ts.isStringLiteralLike(node) && !isSpecifier);
}
