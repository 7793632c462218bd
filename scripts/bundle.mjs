// Joins the compiled programs and the packages they import into a few files in dist/bundle. A start then reads a dozen
// files rather than two thousand, which takes most of its time otherwise.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'acorn';
import { simple } from 'acorn-walk';
import { build } from 'esbuild';

/** Packages that Nest looks for and that are not installed, and packages that are loaded in development only. */
const OPTIONAL = [
  '@fastify/multipart',
  '@fastify/view',
  '@mikro-orm/core',
  '@nestjs/microservices',
  '@nestjs/mongoose',
  '@nestjs/platform-express',
  '@nestjs/sequelize',
  '@nestjs/websockets',
  'class-transformer/storage',
  'cli-progress',
  'echarts',
];

/** Packages that read files of their own folder, or that start threads of it. */
const WITH_FILES = ['@fastify/static', 'pino', 'pino-pretty', 'twilio', 'workerpool'];

const OUTPUT = 'dist/bundle';

/** Needs the output of the compiler in `dist`. */
export async function bundle(root, programs) {
  await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(programs.map((name) => [name, `dist/apps/${name}/src/main.js`])),
    outdir: OUTPUT,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // Nest names its loggers, and TypeORM its migrations, after classes.
    keepNames: true,
    sourcemap: 'linked',
    sourcesContent: false,
    external: [...OPTIONAL, ...WITH_FILES].flatMap((name) => [name, `${name}/*`]),
    // Bundled CommonJS asks for Node's own modules by require, which ES modules do not have.
    banner: {
      js: "import { createRequire as createBundleRequire } from 'node:module'; const require = createBundleRequire(import.meta.url);",
    },
    plugins: [
      { name: 'folders of sources', setup: (context) => keepFolders(context, root) },
      { name: 'visible requires', setup: showRequires },
    ],
    logLevel: 'error',
  });
  await nameOnlyTheRenamed(path.join(root, OUTPUT));
}

/** The helper of esbuild's `keepNames`. */
const NAME = '__name';

/**
 * Removes the calls that give a function the name which it has by itself. They are made for every function that is created while a
 * request is answered, and took a quarter of the CPU time of a request with a token.
 */
async function nameOnlyTheRenamed(folder) {
  let removed = 0;
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.js')) continue;
    const file = path.join(folder, name);
    const source = await readFile(file, 'utf8');
    const blanks = needlessNamesIn(source);
    removed += blanks.length;
    await writeFile(file, withBlanks(source, blanks));
  }
  if (removed === 0) throw new Error(`expected calls of ${NAME}, and found none`);
}

/** Returns the ranges of the text that name a function as the language does (ECMA-262, NamedEvaluation). */
function needlessNamesIn(source) {
  const blanks = [];
  const unwrap = (named, name) => {
    if (!isCallFor(named, name)) return;
    const [given] = named.arguments;
    if (/^(Arrow)?FunctionExpression$/.test(given.type) && !given.id)
      blanks.push([named.start, given.start], [given.end, named.end]);
  };
  simple(parse(source, { ecmaVersion: 'latest', sourceType: 'module' }), {
    VariableDeclarator: ({ id, init }) => unwrap(init, id.name),
    AssignmentExpression: ({ left, right }) => unwrap(right, left.name),
    AssignmentPattern: ({ left, right }) => unwrap(right, left.name),
    Property: ({ key, value, computed }) => unwrap(value, computed ? undefined : (key.name ?? key.value)),
    ExpressionStatement: ({ expression, start, end }) => {
      const [given] = expression.arguments ?? [];
      if (given?.type === 'Identifier' && isCallFor(expression, given.name)) blanks.push([start, end]);
    },
  });
  return blanks;
}

function isCallFor(node, name) {
  return node?.type === 'CallExpression' && node.callee.name === NAME && node.arguments[1].value === name;
}

/** Overwrites the ranges with spaces, so that the source map stays right. */
function withBlanks(source, ranges) {
  let text = '';
  let at = 0;
  for (const [start, end] of ranges.toSorted(([a], [b]) => a - b)) {
    text += source.slice(at, start) + source.slice(start, end).replace(/[^\n]/g, ' ');
    at = end;
  }
  return text + source.slice(at);
}

/** Lets `import.meta.dirname` name the folder of the compiled source, where its other files are. */
function keepFolders({ onLoad }, root) {
  const output = path.join(root, OUTPUT);
  onLoad({ filter: /[\\/]dist[\\/](apps|libs)[\\/].*\.js$/ }, async ({ path: file }) => {
    const source = await readFile(file, 'utf8');
    if (!source.includes('import.meta.dirname')) return null;
    const folder = path.relative(output, path.dirname(file)).replaceAll('\\', '/');
    const contents = source.replaceAll(
      'import.meta.dirname',
      `(import.meta.dirname + ${JSON.stringify(`/${folder}`)})`,
    );
    return { contents };
  });
}

/** Shows the bundler what a package of Nest's requires. It would load a second copy of TypeORM and of class-validator. */
function showRequires({ onLoad }) {
  onLoad({ filter: /[\\/]node_modules[\\/]@nestjs[\\/].*\.js$/ }, async ({ path: file }) => {
    const source = await readFile(file, 'utf8');
    const contents = source.replace(/^const require = createRequire\(import\.meta\.url\);$/m, '');
    return contents === source ? null : { contents };
  });
}
