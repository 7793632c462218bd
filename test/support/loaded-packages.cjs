// Prints the packages outside of the bundle that a program has loaded when it ends. Use: node --require <this file>.
const packages = new Set();
const packageOf = (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];

process.on('exit', () => {
  for (const path of Object.keys(require.cache)) packages.add(packageOf(path));
  packages.delete(undefined);
  process.stderr.write(`loaded: ${[...packages].sort().join(' ')}\n`);
});
