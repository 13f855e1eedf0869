/** What stands for a secret that is set. */
export const MASK = '(set)';

/** Names of keys whose text is a secret, with whatever is below them. */
const SECRET = /(token|secret|password|apikey|hash|salt)s?$|^(env|headers|settings)$/i;
/** `user:password@` in an address. */
const CREDENTIALS = /(?<=\/\/)[^/@\s]*@/;

/** A copy of a configuration in which no secret is left. Numbers and switches stay: they are none. */
export function masked(value: unknown, secret = false): unknown {
  if (typeof value === 'string') return secret ? MASK : value.replace(CREDENTIALS, `${MASK}@`);
  if (Array.isArray(value)) return value.map((item) => masked(item, secret));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, masked(item, secret || SECRET.test(key))]),
  );
}
