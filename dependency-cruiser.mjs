// Module boundaries, one sentence per rule.
const driver = (suffixes, libs) => `(\\.(${suffixes})\\.ts$|^libs/(${libs})/)`;

const SPEC = '\\.spec\\.ts$';

export default {
  forbidden: [
    { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'every import resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'libs never import apps', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    {
      name: 'clients import nothing of the server',
      severity: 'error',
      from: { path: '^clients/', pathNot: SPEC },
      to: { path: '^(apps|libs)/' },
    },
    {
      name: 'only tests import clients',
      severity: 'error',
      from: { path: '^(apps|libs)/' },
      to: { path: '^clients/' },
    },
    {
      name: 'only tests import tests',
      severity: 'error',
      from: { pathNot: '^test/|\\.spec\\.ts$' },
      to: { path: '^test/|\\.spec\\.ts$' },
    },
    {
      // The spec that compares migrations with entities imports both.
      name: 'a lib is imported through its index.ts only',
      severity: 'error',
      from: { path: '^(libs/[^/]+|apps/[^/]+|test)/', pathNot: '^libs/postgres/src/migrate\\.spec\\.ts$' },
      to: {
        path: '^libs/[^/]+/src/(?!index\\.ts$)',
        pathNot: ['^$1/', '^libs/postgres/src/embedded-postgres\\.ts$'],
      },
    },
    {
      name: 'an index.ts exports names of its own lib only',
      severity: 'error',
      from: { path: '^libs/([^/]+)/src/index\\.ts$' },
      to: { pathNot: '^libs/$1/' },
    },
    {
      name: 'apps import app, app imports auth, auth imports delivery, and never the reverse',
      severity: 'error',
      from: { path: '^libs/', pathNot: ['^libs/(app|auth|delivery)/', SPEC] },
      to: { path: '^libs/(app|auth|delivery)/' },
    },
    {
      name: 'delivery imports neither auth nor app',
      severity: 'error',
      from: { path: '^libs/delivery/', pathNot: SPEC },
      to: { path: '^libs/(app|auth)/' },
    },
    {
      name: 'auth does not import app',
      severity: 'error',
      from: { path: '^libs/auth/' },
      to: { path: '^libs/app/' },
    },
    {
      name: 'errors, phone and config import no other lib',
      severity: 'error',
      from: { path: '^libs/(errors|phone|config)/' },
      to: { path: '^libs/', pathNot: '^libs/$1/' },
    },
    {
      name: 'otp, tokens, users, abuse and messaging do not import one another',
      severity: 'error',
      from: { path: '^libs/(otp|tokens|users|abuse|messaging)/' },
      to: { path: '^libs/(otp|tokens|users|abuse|messaging)/', pathNot: '^libs/$1/' },
    },
    {
      name: 'outbound imports no other lib',
      severity: 'error',
      from: { path: '^libs/outbound/' },
      to: { path: '^libs/', pathNot: '^libs/outbound/' },
    },
    {
      name: 'webhooks does not import what its events are about',
      severity: 'error',
      from: { path: '^libs/webhooks/' },
      to: { path: '^libs/(app|auth|delivery|otp|tokens|users|abuse|messaging)/' },
    },
    {
      name: 'messaging needs neither a database nor keys',
      severity: 'error',
      from: { path: '^libs/messaging/' },
      to: { path: '^libs/(postgres|redis|keys)/' },
    },
    {
      name: 'only drivers for Redis import ioredis',
      severity: 'error',
      from: { pathNot: [driver('redis', 'redis'), SPEC, '^test/'] },
      to: { path: 'node_modules/(ioredis|@nestjs-modules/ioredis)/' },
    },
    {
      name: 'only drivers for Postgres, entities, repositories and modules import typeorm and pg',
      severity: 'error',
      from: { pathNot: [driver('postgres|entity|repository|module', 'postgres'), SPEC, '^test/'] },
      to: { path: 'node_modules/(typeorm|@nestjs/typeorm|pg)/' },
    },
    {
      name: 'only the driver for Twilio imports twilio',
      severity: 'error',
      from: { pathNot: ['\\.twilio\\.ts$', SPEC, '^test/'] },
      to: { path: 'node_modules/twilio/' },
    },
    {
      name: 'only background imports bullmq',
      severity: 'error',
      from: { pathNot: ['^libs/background/', SPEC, '^test/'] },
      to: { path: 'node_modules/bullmq/' },
    },
    {
      name: 'only outbound imports the agent that filters addresses',
      severity: 'error',
      from: { pathNot: ['^libs/outbound/', SPEC, '^test/'] },
      to: { path: 'node_modules/request-filtering-agent/' },
    },
    {
      name: 'only webhooks signs webhooks',
      severity: 'error',
      from: { pathNot: ['^libs/webhooks/', SPEC, '^test/'] },
      to: { path: 'node_modules/standardwebhooks/' },
    },
    {
      name: 'only images imports sharp and the pool of its processes',
      severity: 'error',
      from: { pathNot: ['^libs/images/', SPEC, '^test/'] },
      to: { path: 'node_modules/(sharp|workerpool)/' },
    },
    {
      name: 'only the API and the guard import HTTP libraries',
      severity: 'error',
      from: { pathNot: ['^apps/api/', '^libs/auth/src/auth\\.guard\\.ts$', SPEC, '^test/'] },
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
