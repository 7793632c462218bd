// Tokens of benchmarks, by number. A token is 26 characters of base32.
const TOKEN_OF_N = `translate(lpad(n::text, 25, '0'), '0189', 'ABCD') || 'A'`;
const DIGITS = { 0: 'A', 1: 'B', 8: 'C', 9: 'D' };
const tokenOf = (n) => `${String(n).padStart(25, '0').replace(/[0189]/g, (digit) => DIGITS[digit])}A`;

const MOST_REQUESTS = 100_000;

/**
 * Adds tokens of the users that signed in. Their rows are the same for every number: the table of tokens is what grows.
 * @param expiry an SQL expression.
 */
export async function addTokens(client, from, to, expiry = `now() + interval '30 days'`) {
  await client.query(
    `insert into tokens (hash, user_id, scope, verification_id, expires_at)
     select sha256(convert_to(${TOKEN_OF_N}, 'utf8')), u.ids[1 + n % cardinality(u.ids)], 'authentication', 'growth ' || n,
            ${expiry}
       from generate_series($1::int, $2::int - 1) n, (select array_agg(id) as ids from users) u`,
    [from, to],
  );
  await client.query('vacuum analyze tokens');
  await client.query('checkpoint');
}

/** Returns requests with random tokens of the first ones. */
export function requestsWith(tokens) {
  const some = () => ({ path: '/protected', headers: { authorization: `Bearer ${tokenOf(Math.floor(Math.random() * tokens))}` } });
  return Array.from({ length: Math.min(tokens, MOST_REQUESTS) }, some);
}
