/** What a plugin's route has answered, as far as it can be sent. */
import { z } from 'zod';
import type { PluginAnswer } from '../gateway/plugin-routes.ts';
import { PluginError } from './plugin-error.ts';

const BODY_BYTES_MAX = 4 * 1024 * 1024;
const HEADERS_MAX = 32;
/** They are the gateway's to say. */
const OWN_HEADERS =
  /^(content-length|transfer-encoding|connection|keep-alive|upgrade|date|set-cookie|www-authenticate)$/;

const answer = z.object({
  status: z.int().min(200).max(599),
  headers: z
    .record(
      z
        .string()
        .max(128)
        .regex(/^[\w!#$%&'*+.^`|~-]+$/, 'must be the name of a header'),
      z
        .string()
        .max(4_096)
        .regex(/^[\t\x20-\x7e]*$/, 'must be ASCII on one line'),
    )
    .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, `there may be ${HEADERS_MAX} headers`),
  body: z.union([z.string(), z.instanceof(Uint8Array)]),
});

/** Throws a PluginError for what is no answer. */
export function routeAnswer(given: unknown): PluginAnswer {
  const parsed = answer.safeParse(given);
  if (!parsed.success) {
    const what = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
    throw new PluginError(`its answer cannot be sent: ${what}`);
  }
  const { status, headers, body } = parsed.data;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (bytes.length > BODY_BYTES_MAX) throw new PluginError(`its answer has more than ${BODY_BYTES_MAX} bytes`);
  const sent = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return { status, headers: Object.fromEntries(sent.filter(([name]) => !OWN_HEADERS.test(name))), body: bytes };
}
