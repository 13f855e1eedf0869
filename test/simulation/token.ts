/**
 * Every message a simulated client sends has a token in its text, by which everybody can tell what it is: `<2-k17>` is the
 * seventeenth message of its world, for session 2, sent under an idempotency key; one with `m` was sent without.
 */
/** What is said besides the token in a message that makes whoever answers it fail, and in one that ends the process. */
export const POISON = 'poison';
export const LETHAL = 'lethal';

const TOKEN = /<(\d+)-[km]\d+>/;

export function tokenOf(session: number, number: number, keyed: boolean): string {
  return `<${session}-${keyed ? 'k' : 'm'}${number}>`;
}

/** The token in a text, and the number of its session. */
export function tokenIn(text: string): { token: string; session: number } | undefined {
  const [token, session] = TOKEN.exec(text) ?? [];
  return token === undefined ? undefined : { token, session: Number(session) };
}
