/** What the local Discord takes in its requests, and how it refuses the rest. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';

const BODY_BYTES_MAX = 32 * 1024 * 1024;

/** A refusal: status, body and headers of the response. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: object;
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    body: { message: string; [more: string]: unknown },
    headers: Record<string, string> = {},
  ) {
    super(body.message);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** One with a code of Discord's table. */
export function refusal(status: number, code: number, message: string, errors?: object): Refusal {
  return new Refusal(status, { code, message, ...(errors ? { errors } : {}) });
}

const button = z.strictObject({
  type: z.literal(2),
  label: z.string().min(1).max(80),
  custom_id: z.string().min(1).max(100),
  style: z.literal([1, 2, 3, 4]),
});
const mentions = z.strictObject({
  parse: z.array(z.enum(['users', 'roles', 'everyone'])),
  replied_user: z.boolean().optional(),
});

export const editSchema = z.strictObject({
  content: z.string().max(2_000).optional(),
  allowed_mentions: mentions.optional(),
  components: z
    .array(z.strictObject({ type: z.literal(1), components: z.array(button).min(1).max(5) }))
    .max(5)
    .optional(),
});

export const createSchema = editSchema.extend({
  nonce: z.string().max(25).optional(),
  enforce_nonce: z.boolean().optional(),
  message_reference: z.strictObject({ message_id: z.string(), fail_if_not_exists: z.boolean().optional() }).optional(),
  attachments: z
    .array(z.strictObject({ id: z.int(), filename: z.string() }))
    .max(10)
    .optional(),
});

export const commandsSchema = z
  .array(
    z.strictObject({
      type: z.literal(1),
      name: z.string().regex(/^[-_\p{Ll}\p{N}]{1,32}$/u),
      description: z.string().min(1).max(100),
      integration_types: z.array(z.literal([0, 1])).optional(),
      contexts: z.array(z.literal([0, 1, 2])).optional(),
      options: z.array(
        z.strictObject({
          type: z.literal(3),
          name: z.string().regex(/^[-_\p{Ll}\p{N}]{1,32}$/u),
          description: z.string().min(1).max(100),
          required: z.boolean().optional(),
        }),
      ),
    }),
  )
  .max(100);

export const callbackSchema = z.strictObject({
  type: z.literal([4, 5]),
  data: z.strictObject({
    content: z.string().min(1).max(2_000).optional(),
    flags: z.int().optional(),
    allowed_mentions: mentions.optional(),
  }),
});

/** The body, or the refusal that names the first thing that is wrong with it. */
export function checked<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const { success, data, error } = schema.safeParse(body);
  if (success) return data;
  const issue = error.issues[0]!;
  throw invalid(issue.path.map(String), issue.code.toUpperCase(), issue.message);
}

/** 50035 with the path of the field, as Discord nests it. */
export function invalid(path: readonly string[], code: string, message: string): Refusal {
  const errors = path.reduceRight<object>((inner, key) => ({ [key]: inner }), { _errors: [{ code, message }] });
  return refusal(400, 50_035, 'Invalid Form Body', errors);
}

export async function read(request: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw refusal(413, 40_005, 'Request entity too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** JSON. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  if (request.headers['content-type'] !== 'application/json')
    throw refusal(400, 50_109, 'The request body contains invalid JSON.');
  return JSON.parse(String(await read(request)));
}

/** JSON, or a form with `payload_json` and files. */
export async function readMessage(request: IncomingMessage): Promise<{ payload: unknown; files: File[] }> {
  const type = request.headers['content-type'] ?? '';
  if (!type.startsWith('multipart/form-data')) return { payload: await readJson(request), files: [] };
  const form = await new Response(await read(request), { headers: { 'content-type': type } }).formData();
  const files = [...form.entries()].flatMap(([name, value]) =>
    name.startsWith('files[') && typeof value !== 'string' ? [value] : [],
  );
  return { payload: JSON.parse(String(form.get('payload_json') ?? '{}')), files };
}

export function json(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
