/**
 * OpenAI's Chat Completions API, and with it every server that speaks the same (Ollama, vLLM, OpenRouter, …).
 *
 * The global `fetch` under the SDK was measured against a client of our own on node:http: about 620 µs of CPU a streamed
 * answer against 520 µs. It stays: proxies, TLS and compression come with it, and the aim does not need the difference.
 */
import { randomUUID } from 'node:crypto';
import type OpenAI from 'openai';
import type {
  ChatCompletionChunk,
  ChatCompletionContentPart,
  ChatCompletionCreateParamsStreaming as Params,
} from 'openai/resources/chat';
import type { Usage } from '../../protocol/messages.ts';
import type {
  EndReason,
  ModelEvent,
  ModelMessage,
  ModelProvider,
  ModelRequest,
  ToolCall,
  ToolDescription,
} from '../provider.ts';
import { base64 } from './base64.ts';
import { brokenCall, cutShort, modelError, patientFetch } from './failure.ts';
import { OPENAI_BASE_URL, openAiClient } from './openai-client.ts';
import { parseToolInput } from './tool-input.ts';
import { ToolNames } from './tool-names.ts';

const NAME = 'openai';

/** What of a request stays the same as long as the tools do. Keyed by the array: an agent's view keeps one. */
interface Tools {
  names: ToolNames;
  params: NonNullable<Params['tools']>;
}

interface PartialCall {
  id: string;
  name: string;
  json: string;
}

export class OpenAiProvider implements ModelProvider {
  readonly name = NAME;
  readonly #apiKey: string;
  readonly #baseUrl: string;
  readonly #tools = new WeakMap<readonly ToolDescription[], Tools>();
  #client: Promise<OpenAI> | undefined;

  constructor(options: { apiKey: string; baseUrl?: string | undefined }) {
    this.#apiKey = options.apiKey;
    this.#baseUrl = options.baseUrl ?? OPENAI_BASE_URL;
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const tools = this.#toolsOf(request.tools);
    try {
      this.#client ??= openAiClient({ apiKey: this.#apiKey, baseUrl: this.#baseUrl, fetch: reusingFetch });
      const client = await this.#client;
      const chunks = await client.chat.completions.create(params(request, tools), { signal });
      yield* read(chunks, tools.names);
    } catch (error) {
      throw modelError(NAME, error, this.#apiKey);
    }
  }

  #toolsOf(descriptions: readonly ToolDescription[]): Tools {
    let tools = this.#tools.get(descriptions);
    if (!tools) {
      const names = new ToolNames(descriptions);
      tools = {
        names,
        params: descriptions.map(({ name, description, inputSchema }) => ({
          type: 'function',
          function: { name: names.toApi(name), description, parameters: inputSchema },
        })),
      };
      this.#tools.set(descriptions, tools);
    }
    return tools;
  }
}

/**
 * The SDK cancels the response's body once it has read `[DONE]`, upon which `fetch` closes the connection unless the end
 * of the response happened to come in the same packet: a TLS handshake for every answer. So the rest, an empty chunk, is
 * read instead. A real abort is not affected: it reaches `fetch` through the signal. A server that never ends its
 * response keeps this connection, but only that, until `fetch`'s own limit of five minutes without data.
 */
async function reusingFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await patientFetch(input, init);
  if (!response.ok) return withNestedError(response);
  if (!response.body) return response;
  const reader = response.body.getReader();
  const body = {
    next: () => reader.read(),
    return: async () => {
      void drain(reader);
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => body,
  };
  return Object.defineProperty(response, 'body', { value: body });
}

/**
 * vLLM and others send the fields of an error without the `error` around them, where the SDK does not find them: their
 * reason would be lost.
 */
async function withNestedError(response: Response): Promise<Response> {
  const text = await response.text();
  const { status, statusText } = response;
  const headers = new Headers(response.headers);
  headers.delete('content-length');
  headers.delete('content-encoding');
  return new Response(nested(text), { status, statusText, headers });
}

function nested(text: string): string {
  try {
    const body = JSON.parse(text) as { error?: unknown; message?: unknown } | null;
    return body?.error === undefined && typeof body?.message === 'string' ? JSON.stringify({ error: body }) : text;
  } catch {
    return text;
  }
}

async function drain(reader: ReadableStreamDefaultReader): Promise<void> {
  try {
    while (!(await reader.read()).done);
  } catch {
    // Aborted or cut: there is nothing left to save.
  }
}

function params(request: ModelRequest, tools: Tools): Params {
  const effort = reasoningEffort(request);
  return {
    model: request.model,
    stream: true,
    stream_options: { include_usage: true },
    max_completion_tokens: request.outputTokensMax,
    messages: messageParams(request, tools.names),
    ...(tools.params.length > 0 ? { tools: tools.params } : {}),
    ...(effort ? { reasoning_effort: effort } : {}),
  };
}

/**
 * From GPT-5.4 on this API refuses tools together with reasoning, also where reasoning is only the model's default:
 * there tools win and reasoning is turned off. Models that cannot turn it off are refused by the API with that reason.
 */
function reasoningEffort({ model, tools, thinkingLevel }: ModelRequest): Params['reasoning_effort'] | undefined {
  if (tools.length > 0 && /^gpt-(5\.([4-9]|\d\d)|[6-9]|\d\d)/.test(model)) return 'none';
  return thinkingLevel === 'off' ? undefined : thinkingLevel;
}

function messageParams({ system, messages }: ModelRequest, names: ToolNames): Params['messages'] {
  const result: Params['messages'] = system === '' ? [] : [{ role: 'system', content: system }];
  for (const message of messages) {
    const param = messageParam(message, names);
    if (param) result.push(param);
  }
  return result;
}

/** Undefined for an answer without content, which the API refuses. */
function messageParam(message: ModelMessage, names: ToolNames): Params['messages'][number] | undefined {
  switch (message.role) {
    case 'user':
      return { role: 'user', content: message.images === undefined ? message.text : contentParts(message) };
    case 'tool':
      // The API has no mark for failed calls; the text says it.
      return { role: 'tool', tool_call_id: message.call, content: message.text };
    case 'assistant': {
      if (message.toolCalls.length === 0) {
        return message.text === '' ? undefined : { role: 'assistant', content: message.text };
      }
      const calls = message.toolCalls.map(({ id, name, input }) => ({
        id,
        type: 'function' as const,
        function: { name: names.toApi(name), arguments: JSON.stringify(input ?? {}) },
      }));
      return { role: 'assistant', content: message.text || null, tool_calls: calls };
    }
  }
}

function contentParts({ text, images = [] }: ModelMessage & { role: 'user' }): ChatCompletionContentPart[] {
  const urls = images.map(({ mediaType, data }) => `data:${mediaType};base64,${base64(data)}`);
  return [
    { type: 'text', text },
    ...urls.map((url): ChatCompletionContentPart => ({ type: 'image_url', image_url: { url } })),
  ];
}

async function* read(chunks: AsyncIterable<ChatCompletionChunk>, names: ToolNames): AsyncGenerator<ModelEvent> {
  const calls: PartialCall[] = [];
  let finish: string | null = null;
  let usage: Usage | null = null;
  for await (const chunk of chunks) {
    if (chunk.usage) {
      usage = { inputTokens: chunk.usage.prompt_tokens, outputTokens: chunk.usage.completion_tokens };
    }
    // Absent in the last chunk, which only has the usage.
    const choice = chunk.choices[0];
    if (!choice) continue;
    if (choice.delta.content) yield { type: 'text', text: choice.delta.content };
    for (const part of choice.delta.tool_calls ?? []) collect(calls, part);
    finish = choice.finish_reason ?? finish;
  }
  if (finish === null) throw cutShort(NAME);
  // Once in order and whole: nothing but the finish reason says that the last one is.
  for (const call of calls.filter(Boolean)) yield { type: 'toolCall', call: wholeCall(call, names) };
  yield { type: 'end', reason: endReason(finish), usage };
}

type ToolCallPart = NonNullable<ChatCompletionChunk['choices'][number]['delta']['tool_calls']>[number];

/** Parallel calls arrive interleaved, each under its index; id and name come once, the arguments in pieces. */
function collect(calls: PartialCall[], { index, id, function: part }: ToolCallPart): void {
  // Some compatible servers give no id.
  calls[index] ??= { id: `call_${randomUUID()}`, name: '', json: '' };
  const call = calls[index];
  if (id) call.id = id;
  if (part?.name) call.name = part.name;
  if (part?.arguments) call.json += part.arguments;
}

function wholeCall({ id, name: apiName, json }: PartialCall, names: ToolNames): ToolCall {
  const name = names.fromApi(apiName);
  try {
    return { id, name, input: parseToolInput(json) };
  } catch (error) {
    throw brokenCall(NAME, name, error);
  }
}

function endReason(finish: string): EndReason {
  switch (finish) {
    case 'tool_calls':
      return 'toolCalls';
    case 'length':
      return 'length';
    case 'content_filter':
      return 'refused';
    default:
      return 'stop';
  }
}
