// Which way the arrows go, one sentence per rule.
const driver = (suffixes, rooms) => `(\\.(${suffixes})\\.ts$|^libs/(${rooms})/)`;

export default {
  forbidden: [
    { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'every import resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'libs never know apps', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    {
      name: 'nothing but tests knows tests',
      severity: 'error',
      from: { pathNot: '^test/|\\.spec\\.ts$' },
      to: { path: '^test/|\\.spec\\.ts$' },
    },
    {
      // The spec that holds migrations against entities has to see both.
      name: 'a lib is entered by its index only',
      severity: 'error',
      from: { path: '^(libs/[^/]+|apps/[^/]+|test)/', pathNot: '^libs/postgres/src/migrate\\.spec\\.ts$' },
      to: {
        path: '^libs/[^/]+/src/(?!index\\.ts$)',
        pathNot: ['^$1/', '^libs/postgres/src/embedded-postgres\\.ts$'],
      },
    },
    {
      name: 'errors, phone and config know no other lib',
      severity: 'error',
      from: { path: '^libs/(errors|phone|config)/' },
      to: { path: '^libs/', pathNot: '^libs/$1/' },
    },
    {
      name: 'otp, tokens, users, abuse and messaging do not know one another: auth composes them',
      severity: 'error',
      from: { path: '^libs/(otp|tokens|users|abuse|messaging)/' },
      to: { path: '^libs/(otp|tokens|users|abuse|messaging|auth)/', pathNot: '^libs/$1/' },
    },
    {
      name: 'only drivers for Redis know ioredis',
      severity: 'error',
      from: { pathNot: [driver('redis', 'redis'), '\\.spec\\.ts$', '^test/'] },
      to: { path: 'node_modules/(ioredis|@nestjs-modules/ioredis)/' },
    },
    {
      name: 'only drivers for Postgres, entities and repositories know typeorm and pg',
      severity: 'error',
      from: { pathNot: [driver('postgres|entity|repository|module', 'postgres'), '\\.spec\\.ts$', '^test/'] },
      to: { path: 'node_modules/(typeorm|@nestjs/typeorm|pg)/' },
    },
    {
      name: 'only the driver for Twilio knows twilio',
      severity: 'error',
      from: { pathNot: ['\\.twilio\\.ts$', '\\.spec\\.ts$', '^test/'] },
      to: { path: 'node_modules/twilio/' },
    },
    {
      name: 'only background knows bullmq',
      severity: 'error',
      from: { pathNot: ['^libs/background/', '\\.spec\\.ts$', '^test/'] },
      to: { path: 'node_modules/bullmq/' },
    },
    {
      name: 'only the API and the guard know HTTP',
      severity: 'error',
      from: { pathNot: ['^apps/api/', '^libs/auth/src/auth\\.guard\\.ts$', '\\.spec\\.ts$', '^test/'] },
      to: { path: 'node_modules/(fastify|@fastify|@nestjs/(platform-fastify|swagger|terminus))/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'require', 'node', 'default', 'types'],
      exportsFields: ['exports'],
    },
  },
};
