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

/** What is shorter, such as a variable that says `production`, is no secret and would be taken out of any talk. */
const SECRET_LENGTH_MIN = 16;

/** The secrets that a configuration holds. */
export function secretsIn(value: unknown, secret = false): string[] {
  if (typeof value === 'string') return secret && value.length >= SECRET_LENGTH_MIN ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => secretsIn(item, secret || SECRET.test(key)));
}

/** A copy of `value` in whose texts none of `secrets` is left. */
export function withoutSecrets<T>(value: T, secrets: readonly string[]): T {
  const clean = (item: unknown): unknown => {
    if (typeof item === 'string') return secrets.reduce((text, secret) => text.replaceAll(secret, MASK), item);
    if (Array.isArray(item)) return item.map(clean);
    if (typeof item !== 'object' || item === null) return item;
    return Object.fromEntries(Object.entries(item).map(([key, inner]) => [key, clean(inner)]));
  };
  return clean(value) as T;
}
