/**
 * A stand-in for OpenAI's Chat Completions API: its HTTP and SSE format, its error bodies, and its refusals. Alone in a
 * process, for a load test:
 * `node -e "import('./test/support/openai-server.ts').then(async (m) => console.log((await m.startOpenAiServer()).url))"`
 */
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

export const OPENAI_KEY = 'sk-test-openai-0123456789';
export const OPENAI_MODEL = 'gpt-test';
/** A model of the newer kind: refuses tools with any reasoning effort but 'none', which must be said. */
export const OPENAI_REASONING_MODEL = 'gpt-6.1-terra';

/** A model that takes no images. */
export const OPENAI_TEXT_MODEL = 'gpt-test-text';

export function startOpenAiServer(options: ServerOptions = {}): Promise<ModelServer> {
  return startModelServer(vendor, options);
}

const toolCall = z.strictObject({
  id: z.string().min(1),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/), arguments: z.string() }),
});

const contentPart = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text: z.string() }),
  z.strictObject({
    type: z.literal('image_url'),
    image_url: z.strictObject({
      url: z.string().regex(/^data:image\/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}$/),
      detail: z.enum(['auto', 'low', 'high']).optional(),
    }),
  }),
]);

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.enum(['system', 'developer']), content: z.string() }),
  z.strictObject({ role: z.literal('user'), content: z.union([z.string(), z.array(contentPart).min(1)]) }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z.string().nullable().optional(),
    tool_calls: z.array(toolCall).min(1).optional(),
  }),
  z.strictObject({ role: z.literal('tool'), content: z.string(), tool_call_id: z.string().min(1) }),
]);

const requestSchema = z.strictObject({
  model: z.string(),
  messages: z.array(message).min(1),
  stream: z.literal(true),
  stream_options: z.strictObject({ include_usage: z.boolean().optional() }).optional(),
  max_completion_tokens: z.int().min(1).optional(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).optional(),
  tools: z
    .array(
      z.strictObject({
        type: z.literal('function'),
        function: z.strictObject({
          name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
          description: z.string().optional(),
          parameters: z.looseObject({ type: z.literal('object') }).optional(),
        }),
      }),
    )
    .min(1)
    .optional(),
});

type ChatRequest = z.output<typeof requestSchema>;

function refuse(headers: IncomingHttpHeaders, body: Record<string, unknown>): Refusal | null {
  if (!headers.authorization) return { status: 401, message: "You didn't provide an API key." };
  if (headers.authorization !== `Bearer ${OPENAI_KEY}`) {
    const key = headers.authorization.replace(/^Bearer /, '');
    return { status: 401, message: `Incorrect API key provided: ${key.slice(0, 8)}***${key.slice(-4)}.` };
  }
  if (!headers['content-type']?.startsWith('application/json')) {
    return { status: 400, message: 'Content-Type must be application/json.' };
  }
  const parsed = requestSchema.safeParse(body);
  if (!parsed.success) return schemaRefusal(parsed.error);
  const request = parsed.data;
  if (![OPENAI_MODEL, OPENAI_REASONING_MODEL, OPENAI_TEXT_MODEL].includes(request.model)) {
    return { status: 404, message: `The model '${request.model}' does not exist or you do not have access to it.` };
  }
  if (request.model === OPENAI_REASONING_MODEL && request.tools && request.reasoning_effort !== 'none') {
    return {
      status: 400,
      message: `Function tools with reasoning_effort are not supported for ${request.model} in /v1/chat/completions.`,
      param: 'reasoning_effort',
    };
  }
  return refuseImages(request) ?? refuseOrder(request);
}

function refuseImages({ model, messages }: ChatRequest): Refusal | null {
  if (model !== OPENAI_TEXT_MODEL) return null;
  const index = messages.findIndex(({ content }) => Array.isArray(content) && content.some(isImage));
  const param = `messages.[${index}].content`;
  const message = 'Invalid content type. image_url is only supported by certain models.';
  return index < 0 ? null : { status: 400, message, param };
}

function isImage({ type }: z.output<typeof contentPart>): boolean {
  return type === 'image_url';
}

function schemaRefusal(error: z.ZodError): Refusal {
  const issue = error.issues[0]!;
  const param = issue.path.join('.');
  return issue.code === 'unrecognized_keys'
    ? { status: 400, message: `Unrecognized request argument supplied: ${issue.keys.join(', ')}`, param }
    : { status: 400, message: `Invalid value for '${param}': ${issue.message}`, param };
}

/** A tool message must answer a call of the assistant message before it, and every call must be answered at once. */
function refuseOrder({ messages }: ChatRequest): Refusal | null {
  const open = new Set<string>();
  for (const [index, entry] of messages.entries()) {
    const param = `messages.[${index}].role`;
    if (entry.role === 'tool') {
      if (open.delete(entry.tool_call_id)) continue;
      const reason = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.";
      return { status: 400, message: `Invalid parameter: ${reason}`, param };
    }
    if (open.size > 0) break;
    if (entry.role !== 'assistant') continue;
    if (!entry.content && !entry.tool_calls) {
      return { status: 400, message: `Invalid value for 'content': expected a string, got null.`, param };
    }
    for (const call of entry.tool_calls ?? []) open.add(call.id);
  }
  if (open.size === 0) return null;
  const ids = [...open].join(', ');
  return {
    status: 400,
    message: `An assistant message with 'tool_calls' must be followed by tool messages. No response for: ${ids}`,
    param: 'messages',
  };
}

const FINISH_REASONS = { stop: 'stop', toolCalls: 'tool_calls', length: 'length', refused: 'content_filter' };

function events(reply: Reply, body: Record<string, unknown>): { open: string[]; content: string[]; close: string[] } {
  const head = `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"${body.model}"`;
  const chunk = (delta: object, finish: string | null = null): string =>
    `data: ${head},"choices":[{"index":0,"delta":${JSON.stringify(delta)},"logprobs":null,"finish_reason":${JSON.stringify(finish)}}]}\n\n`;

  const calls = (reply.toolCalls ?? []).flatMap((call, index) => {
    const json = call.rawInput ?? JSON.stringify(call.input ?? {});
    const half = Math.ceil(json.length / 2);
    const id = call.id ?? `call_${index + 1}`;
    return [
      chunk({ tool_calls: [{ index, id, type: 'function', function: { name: call.name, arguments: '' } }] }),
      chunk({ tool_calls: [{ index, function: { arguments: json.slice(0, half) } }] }),
      chunk({ tool_calls: [{ index, function: { arguments: json.slice(half) } }] }),
    ];
  });
  const end = reply.end ?? (reply.toolCalls ? 'toolCalls' : 'stop');
  const sent = reply.inputTokens ?? 11;
  const counts = { prompt_tokens: sent, completion_tokens: 7, total_tokens: sent + 7 };
  const usage = reply.usage === false ? [] : [`data: ${head},"choices":[],"usage":${JSON.stringify(counts)}}\n\n`];
  return {
    open: [chunk({ role: 'assistant', content: '', refusal: null })],
    content: [...(reply.text ?? []).map((content) => chunk({ content })), ...calls],
    close: [chunk({}, FINISH_REASONS[end]), ...usage, 'data: [DONE]\n\n'],
  };
}

const vendor: Vendor = {
  path: '/v1/chat/completions',
  basePath: '/v1',
  refuse,
  errorBody: ({ status, message, param = null }) =>
    JSON.stringify({
      error: {
        message,
        type: status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error',
        param,
        code: status === 401 ? 'invalid_api_key' : null,
      },
    }),
  events,
  garbageEvent: 'data: {"choices": [\n\n',
  failureEvent: 'data: {"error":{"message":"scripted failure","type":"server_error","param":null,"code":null}}\n\n',
};
