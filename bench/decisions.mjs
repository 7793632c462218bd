// Measures the CPU time of one decision of the breaker, without the round trips to its store:
//   npm run build && node bench/decisions.mjs
// The store is a Map. States are read, parsed, decided on and written as with a real store.
import { admit, clientAddressOf, DEFAULT_POLICY, newScopeState, scopesOf } from '../dist/libs/abuse/src/index.js';
import { SharedState } from '../dist/libs/abuse/src/state/shared-state.js';

const DECISIONS = 50_000;
const AT_ONCE = [1, 64, 500];

const rows = {};
for (const atOnce of AT_ONCE) rows[`${atOnce} at once`] = await measure(atOnce);
console.table(rows);

async function measure(atOnce) {
  const values = new Map();
  let busyMs = 0;
  let rounds = 0;
  const store = {
    read: async (keys) => ({ now: Date.now(), found: keys.map((key) => values.get(key) ?? { text: null, tag: null }) }),
    tagAfter: () => '',
    write: async (changes) => {
      for (const { key, text } of changes) values.set(key, { text, tag: '' });
      return true;
    },
  };
  const shared = new SharedState(store);
  const costs = [];
  for (let done = 0; done < DECISIONS; done += atOnce) {
    const start = performance.now();
    await Promise.all(Array.from({ length: atOnce }, (_, i) => decide(shared, done + i)));
    const ms = performance.now() - start;
    busyMs += ms;
    rounds += 1;
    costs.push(ms / atOnce);
  }
  costs.sort((a, b) => a - b);
  const at = (share) => Number(costs[Math.floor(costs.length * share)].toFixed(3));
  return { 'mean ms': Number((busyMs / rounds / atOnce).toFixed(3)), 'p50 ms': at(0.5), 'p99 ms': at(0.99) };
}

function decide(shared, i) {
  const number = `+1${2_012_000_000 + ((i * 7_919) % 7_000_000_000)}`;
  const address = clientAddressOf(`10.${i % 250}.${(i >> 8) % 250}.${i % 7}`);
  const scopes = scopesOf(address, number, 'US');
  const keys = [...scopes.requester, ...scopes.numbers, 'system'];
  const now = 1_800_000_000_000 + i * 20;
  return shared.decide(keys, (draft) => {
    const touched = new Map();
    const of = (scope) => {
      if (!touched.has(scope)) touched.set(scope, draft.get(scope) ?? newScopeState());
      return touched.get(scope);
    };
    const request = { scopes, knownNumber: false, knownDevice: false, proven: true };
    const decision = admit(DEFAULT_POLICY, { of }, request, now);
    for (const [scope, state] of touched) draft.set(scope, state, { ttlMs: 1, heldUntil: null });
    return decision;
  });
}
