import type { McpServerConfig } from '../../config/mcp.ts';
import { redactText } from '../../telemetry/redact.ts';

/** A shorter value is a word (`1`, `true`, `debug`), and would be taken out of every sentence. */
const SECRET_LENGTH_MIN = 8;
const REDACTED = '[redacted]';

/** Takes out of a text what a server was given in confidence, and what looks like a secret. */
export function createRedactor({ env = {}, headers = {} }: Pick<McpServerConfig, 'env' | 'headers'>): Redact {
  const values = [...Object.values(env), ...Object.values(headers)].flatMap((value) => {
    // A header is `Bearer <secret>`: the secret by itself is one too.
    return value === undefined ? [] : [value, ...value.split(/\s+/)];
  });
  const secrets = [...new Set(values)]
    .filter(({ length }) => length >= SECRET_LENGTH_MIN)
    .toSorted((a, b) => b.length - a.length);
  return (text) => redactText(secrets.reduce((left, secret) => left.replaceAll(secret, REDACTED), text));
}

export type Redact = (text: string) => string;
