/**
 * Texts that look like a secret. Only forms that are hardly ever anything else: a fact is put before models again and again, in
 * other conversations too, and whoever wants one kept has better places.
 */
const SECRETS: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /\b(?:sk|rk|pk)[-_](?:[a-z]+[-_])*[A-Za-z0-9_-]{16,}/,
  /\b(?:ghp|gho|ghs|ghu|github_pat|glpat|xox[a-z])[-_][\w-]{16,}/,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/,
  /\bAIza[\w-]{35}\b/,
  /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/,
  /\b\d{6,12}:[A-Za-z0-9_-]{35}\b/,
  /\b(?:pass(?:word|phrase|wd)?|api[-_ ]?key|secret|token)\b\s*(?:is|=|:)\s*["']?(?=\S*\d)\S{8,}/i,
];

/** Whether a text has something in it that looks like a key, a token or a password. */
export function hasSecret(text: string): boolean {
  return SECRETS.some((pattern) => pattern.test(text));
}
