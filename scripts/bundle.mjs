// Joins the compiled programs and the packages they import into a few files in dist/bundle. A start then reads a dozen
// files rather than two thousand, which takes most of its time otherwise.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

/** Packages that Nest looks for and that are not installed, and packages that are loaded in development only. */
const OPTIONAL = [
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

const HELPER = 'var __name = (target, value) => __defProp(target, "name", { value, configurable: true });';
const CHEAPER = HELPER.replace(
  '=> __defProp',
  `=> target.name === value || (target.name === '' && !target.prototype) ? target : __defProp`,
);

/** A call for a declaration that has its name already. */
const NEEDLESS_CALL = /^ *__name\((\w+), "\1"\);$/gm;

/**
 * Makes `keepNames` of esbuild skip arrow functions, whose names nothing reads, and functions that have their name already. Its helper
 * is called for every function that is created while a request is answered, and took a seventh of the CPU time of a request with a
 * token.
 */
async function nameOnlyTheRenamed(folder) {
  let helpers = 0;
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.js')) continue;
    const file = path.join(folder, name);
    const source = await readFile(file, 'utf8');
    if (source.includes(HELPER)) helpers += 1;
    // An empty line stays, for the source map.
    await writeFile(file, source.replace(HELPER, CHEAPER).replace(NEEDLESS_CALL, ''));
  }
  if (helpers !== 1) throw new Error(`expected one helper of esbuild's keepNames, and found ${helpers}`);
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
