/** A stand-in for Anthropic's Messages API: its HTTP and SSE format, its error bodies, and its refusals. */
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import {
  type ModelServer,
  type Refusal,
  type Reply,
  type ServerOptions,
  startModelServer,
  type Vendor,
} from './sse.ts';

export const ANTHROPIC_KEY = 'sk-ant-test-0123456789';
export const ANTHROPIC_MODEL = 'claude-sonnet-5-5';
/** A model of the older kind, which knows thinking only as a budget. */
export const ANTHROPIC_BUDGET_MODEL = 'claude-haiku-4-5';

/** A model that takes no images. */
export const ANTHROPIC_TEXT_MODEL = 'claude-2-1';

export function startAnthropicServer(options: ServerOptions = {}): Promise<ModelServer> {
  return startModelServer(vendor, options);
}

const text = z.strictObject({ type: z.literal('text'), text: z.string() });
const toolResult = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string().regex(/^[a-zA-Z0-9_-]+$/),
  content: z.string().optional(),
  is_error: z.boolean().optional(),
});
const image = z.strictObject({
  type: z.literal('image'),
  source: z.strictObject({
    type: z.literal('base64'),
    media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
    data: z.base64().min(1),
  }),
});
const assistantBlock = z.discriminatedUnion('type', [
  text,
  z.strictObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.literal('signature-1') }),
  z.strictObject({
    type: z.literal('tool_use'),
    id: z.string().regex(/^[a-zA-Z0-9_-]+$/),
    name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/),
    input: z.record(z.string(), z.unknown()),
  }),
]);

const message = z.discriminatedUnion('role', [
  z.strictObject({
    role: z.literal('user'),
    content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, image, toolResult]))]),
  }),
  z.strictObject({ role: z.literal('assistant'), content: z.union([z.string(), z.array(assistantBlock)]) }),
]);

const requestSchema = z.strictObject({
  model: z.string(),
  max_tokens: z.int({ error: 'Field required' }).min(1),
  messages: z.array(message).min(1),
  system: z.string().min(1).optional(),
  stream: z.literal(true),
  thinking: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('adaptive') }),
      z.strictObject({ type: z.literal('enabled'), budget_tokens: z.int().min(1024) }),
    ])
    .optional(),
  output_config: z.strictObject({ effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).optional() }).optional(),
  tools: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/),
        description: z.string().optional(),
        input_schema: z.looseObject({ type: z.literal('object') }),
      }),
    )
    .min(1)
    .optional(),
});

type MessagesRequest = z.output<typeof requestSchema>;
type Message = MessagesRequest['messages'][number];

function refuse(headers: IncomingHttpHeaders, body: Record<string, unknown>): Refusal | null {
  const key = headers['x-api-key'] ?? headers.authorization?.replace(/^Bearer /, '');
  if (!key) return { status: 401, message: 'x-api-key header is required' };
  if (key !== ANTHROPIC_KEY) return { status: 401, message: 'invalid x-api-key' };
  const version = headers['anthropic-version'];
  if (!version) return invalid('anthropic-version: header is required');
  if (version !== '2026-10-21' && version !== '2023-06-01')
    return invalid(`anthropic-version: "${version}" is unknown`);
  if (!headers['content-type']?.startsWith('application/json')) return invalid('content-type: must be JSON');

  const parsed = requestSchema.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    return issue.code === 'unrecognized_keys'
      ? invalid(`${[...issue.path, issue.keys[0]].join('.')}: Extra inputs are not permitted`)
      : invalid(`${issue.path.join('.')}: ${issue.message}`);
  }
  const request = parsed.data;
  if (![ANTHROPIC_MODEL, ANTHROPIC_BUDGET_MODEL, ANTHROPIC_TEXT_MODEL].includes(request.model)) {
    return { status: 404, message: `model: ${request.model}` };
  }
  return refuseImages(request) ?? refuseThinking(request) ?? refuseMessages(request.messages);
}

function refuseImages({ model, messages }: MessagesRequest): Refusal | null {
  if (model !== ANTHROPIC_TEXT_MODEL) return null;
  const index = messages.findIndex((entry) => blocks(entry).some(({ type }) => type === 'image'));
  return index < 0 ? null : invalid(`messages.${index}.content: image input is not supported by this model`);
}

function invalid(message: string): Refusal {
  return { status: 400, message };
}

function refuseThinking({
  model,
  thinking,
  output_config: output,
  max_tokens: limit,
}: MessagesRequest): Refusal | null {
  if (model === ANTHROPIC_MODEL) {
    return thinking?.type === 'enabled'
      ? invalid('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".')
      : null;
  }
  if (thinking?.type === 'adaptive' || output) return invalid('adaptive thinking is not supported on this model');
  if (thinking && thinking.budget_tokens >= limit) {
    return invalid('`max_tokens` must be greater than `thinking.budget_tokens`.');
  }
  return null;
}

/** Turns alternate, no content is empty, and each `tool_use` is answered at the start of the very next message. */
function refuseMessages(messages: readonly Message[]): Refusal | null {
  if (messages[0]!.role !== 'user') return invalid('messages: first message must use the "user" role');
  if (messages.at(-1)!.role !== 'user') return invalid('This model does not support assistant message prefill.');
  let open: string[] = [];
  for (const [index, entry] of messages.entries()) {
    if (index > 0 && entry.role === messages[index - 1]!.role) return invalid('messages: roles must alternate');
    const empty = refuseEmpty(entry, index);
    if (empty) return empty;
    const results = blocks(entry).flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id] : []));
    const orphan = results.find((id) => !open.includes(id));
    if (orphan)
      return invalid(`messages.${index}.content: unexpected \`tool_use_id\` found in \`tool_result\`: ${orphan}`);
    const leading = blocks(entry).slice(0, results.length);
    if (leading.some((block) => block.type !== 'tool_result')) {
      return invalid(`messages.${index}: \`tool_result\` blocks must come first`);
    }
    const unanswered = open.filter((id) => !results.includes(id));
    if (unanswered.length > 0) {
      return invalid(`messages.${index}: \`tool_use\` ids without \`tool_result\` after: ${unanswered.join(', ')}`);
    }
    open = blocks(entry).flatMap((block) => (block.type === 'tool_use' ? [block.id] : []));
    if (new Set(open).size < open.length) return invalid(`messages.${index}: \`tool_use\` ids must be unique`);
  }
  return null;
}

function refuseEmpty({ content }: Message, index: number): Refusal | null {
  if (content.length === 0) return invalid(`messages.${index}: all messages must have non-empty content`);
  if (typeof content === 'string') return null;
  const empty = content.some((block) => block.type === 'text' && block.text.trim() === '');
  return empty ? invalid(`messages.${index}: text content blocks must be non-empty`) : null;
}

function blocks({ content }: Message): Exclude<Message['content'], string>[number][] {
  return typeof content === 'string' ? [] : content;
}

const STOP_REASONS = { stop: 'end_turn', toolCalls: 'tool_use', length: 'max_tokens', refused: 'refusal' };

function events(reply: Reply, body: Record<string, unknown>): { open: string[]; content: string[]; close: string[] } {
  const usage = (tokens: object): object => (reply.usage === false ? {} : { usage: tokens });
  const content: string[] = [];
  let index = 0;
  const block = (start: object, deltas: readonly object[]): void => {
    content.push(
      event({ type: 'content_block_start', index, content_block: start }),
      ...deltas.map((delta) => event({ type: 'content_block_delta', index, delta })),
      event({ type: 'content_block_stop', index }),
    );
    index += 1;
  };

  if (reply.thinking !== undefined) {
    block({ type: 'thinking', thinking: '', signature: '' }, [
      { type: 'thinking_delta', thinking: reply.thinking },
      { type: 'signature_delta', signature: 'signature-1' },
    ]);
  }
  if (reply.text) {
    const deltas = reply.text.map((piece) => ({ type: 'text_delta', text: piece }));
    block({ type: 'text', text: '' }, deltas);
  }
  for (const [number, call] of (reply.toolCalls ?? []).entries()) {
    const json = call.rawInput ?? JSON.stringify(call.input ?? {});
    const half = Math.ceil(json.length / 2);
    const parts = [json.slice(0, half), json.slice(half)];
    block(
      { type: 'tool_use', id: call.id ?? `toolu_${number + 1}`, name: call.name, input: {} },
      parts.map((part) => ({ type: 'input_json_delta', partial_json: part })),
    );
  }
  const end = reply.end ?? (reply.toolCalls ? 'toolCalls' : 'stop');
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: body.model, content: [] };
  return {
    open: [
      event({
        type: 'message_start',
        message: { ...message, ...usage({ input_tokens: reply.inputTokens ?? 11, output_tokens: 1 }) },
      }),
      event({ type: 'ping' }),
    ],
    content,
    close: [
      event({
        type: 'message_delta',
        delta: { stop_reason: STOP_REASONS[end], stop_sequence: null },
        ...usage({ output_tokens: 7 }),
      }),
      event({ type: 'message_stop' }),
    ],
  };
}

function event(data: { type: string; [key: string]: unknown }): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

const ERROR_TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

const vendor: Vendor = {
  path: '/v1/messages',
  basePath: '',
  refuse,
  errorBody: ({ status, message }) =>
    JSON.stringify({ type: 'error', error: { type: ERROR_TYPES[status] ?? 'api_error', message } }),
  events,
  garbageEvent: 'event: content_block_delta\ndata: {"type": "content_block_delta", \n\n',
  failureEvent: event({ type: 'error', error: { type: 'overloaded_error', message: 'scripted failure' } }),
};
