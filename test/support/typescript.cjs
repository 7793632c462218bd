// Lets plain Node `require` the project's TypeScript, the way Jest lets the specs: for processes which
// tests start beside themselves. Use: node --require <this file>.
const { existsSync } = require('node:fs');
const Module = require('node:module');
const { dirname, resolve } = require('node:path');
const { transformFileSync } = require('@swc/core');

const options = {
  swcrc: false,
  sourceMaps: 'inline',
  module: { type: 'commonjs' },
  jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
};

Module._extensions['.ts'] = (module, path) => module._compile(transformFileSync(path, options).code, path);

const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  const source = request.startsWith('.') && parent && resolve(dirname(parent.filename), request).replace(/\.js$/, '.ts');
  return resolveFilename.call(this, source && existsSync(source) ? source : request, parent, ...rest);
};
