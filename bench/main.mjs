// npm run bench -- statements: counts the statements of each kind of request (`statements.mjs`).
const COMMANDS = { statements: () => import('./statements.mjs') };

const [name, ...args] = process.argv.slice(2);
const load = COMMANDS[name];
if (load) await (await load()).run(args);
else {
  console.error(`usage: npm run bench -- ${Object.keys(COMMANDS).join('|')}`);
  process.exitCode = 2;
}
