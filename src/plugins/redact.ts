/** Takes a plugin's secrets out of what it says. */
import { redactText } from '../telemetry/redact.ts';

/** A shorter value is a word (`1`, `true`, `debug`), and would be taken out of every sentence. */
const SECRET_LENGTH_MIN = 8;
const REDACTED = '[redacted]';

export type Redact = (text: string) => string;

/** A secret is found as it is, and as JSON or a URL would have it. */
export function createRedactor(secrets: readonly string[]): Redact {
  const forms = secrets
    .filter(({ length }) => length >= SECRET_LENGTH_MIN)
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]);
  const longestFirst = [...new Set(forms)].toSorted((a, b) => b.length - a.length);
  return (text) => redactText(longestFirst.reduce((left, secret) => left.replaceAll(secret, REDACTED), text));
}
