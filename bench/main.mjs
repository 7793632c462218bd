// npm run bench                  compares this server with others (`compare/main.mjs`), after preparing everything
// npm run bench -- avatars       measures sign-ups while images are uploaded (`compare/avatars.mjs`)
// npm run bench -- enumeration   measures whether times tell who has an account (`compare/enumeration.mjs`)
// npm run bench -- growth        measures requests while tokens accumulate (`compare/growth.mjs`)
// npm run bench -- housekeeping  measures requests while expired rows are deleted (`compare/housekeeping.mjs`)
// npm run bench -- scale         measures several processes, and a slow provider (`compare/scale.mjs`)
// npm run bench -- statements    counts the statements of each kind of request (`statements.mjs`), on the built server
import { prepare } from './support/prepare.mjs';

const COMMANDS = {
  avatars: () => import('./compare/avatars.mjs'),
  compare: () => import('./compare/main.mjs'),
  enumeration: () => import('./compare/enumeration.mjs'),
  growth: () => import('./compare/growth.mjs'),
  housekeeping: () => import('./compare/housekeeping.mjs'),
  scale: () => import('./compare/scale.mjs'),
  statements: () => import('./statements.mjs'),
};

/** These need the packages of this folder and a fresh build. */
const PREPARED = ['avatars', 'compare', 'enumeration', 'growth', 'housekeeping', 'scale'];

const words = process.argv.slice(2);
const name = words[0] === undefined || words[0].startsWith('-') ? 'compare' : words.shift();
const load = COMMANDS[name];
if (load) {
  if (PREPARED.includes(name)) prepare();
  await (await load()).run(words);
} else {
  console.error(`usage: npm run bench -- ${Object.keys(COMMANDS).join('|')}`);
  process.exitCode = 2;
}
