/** Anthropic's Messages API. */
import type Anthropic from '@anthropic-ai/sdk';
import type {
  ContentBlockParam,
  MessageCreateParamsStreaming as Params,
  RawMessageStreamEvent,
  ToolUseBlockParam,
} from '@anthropic-ai/sdk/resources/messages';
import type { Usage } from '../../protocol/messages.ts';
import { THINKING_BUDGETS } from '../context-window.ts';
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
import { brokenCall, cutShort, modelError, patientFetch, RETRIES_MAX } from './failure.ts';
import { parseToolInput } from './tool-input.ts';
import { ToolNames } from './tool-names.ts';

const NAME = 'anthropic';
const BASE_URL = 'https://api.anthropic.com';

interface Tools {
  names: ToolNames;
  params: NonNullable<Params['tools']>;
}

export class AnthropicProvider implements ModelProvider {
  readonly name = NAME;
  readonly #apiKey: string;
  readonly #baseUrl: string;
  readonly #tools = new WeakMap<readonly ToolDescription[], Tools>();
  #client: Promise<Anthropic> | undefined;

  constructor(options: { apiKey: string; baseUrl?: string | undefined }) {
    this.#apiKey = options.apiKey;
    this.#baseUrl = options.baseUrl ?? BASE_URL;
  }

  async *stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelEvent> {
    const tools = this.#toolsOf(request.tools);
    try {
      this.#client ??= this.#connect();
      const client = await this.#client;
      const events = await client.messages.create(params(request, tools), { signal });
      yield* new Answer(tools.names).read(events);
    } catch (error) {
      throw modelError(NAME, error, this.#apiKey);
    }
  }

  /** The SDK costs about 70 ms and 30 MB to load: not before the first request. */
  async #connect(): Promise<Anthropic> {
    const { Anthropic: Client } = await import('@anthropic-ai/sdk');
    return new Client({
      apiKey: this.#apiKey,
      baseURL: this.#baseUrl,
      webhookKey: null,
      maxRetries: RETRIES_MAX,
      fetch: patientFetch,
      // Its log would put conversations on the console.
      logLevel: 'off',
      // Tracing is the gateway's; the SDK's own would read its setting from the environment.
      openTelemetry: false,
    });
  }

  #toolsOf(descriptions: readonly ToolDescription[]): Tools {
    let tools = this.#tools.get(descriptions);
    if (!tools) {
      const names = new ToolNames(descriptions);
      tools = {
        names,
        params: descriptions.map(({ name, description, inputSchema }) => ({
          name: names.toApi(name),
          description,
          input_schema: { ...inputSchema, type: 'object' },
        })),
      };
      this.#tools.set(descriptions, tools);
    }
    return tools;
  }
}

function params(request: ModelRequest, tools: Tools): Params {
  return {
    model: request.model,
    stream: true,
    messages: messageParams(request.messages, tools.names),
    ...(request.system === '' ? {} : { system: request.system }),
    ...(tools.params.length > 0 ? { tools: tools.params } : {}),
    ...thinkingParams(request),
  };
}

/**
 * Claude up to 4.5 takes a budget, later ones `adaptive` with an effort, and each refuses the other. `off` sends
 * nothing, which is the model's own default. A budget counts towards `max_tokens`, so it is added: the answer keeps its
 * length.
 */
function thinkingParams(request: ModelRequest): Pick<Params, 'max_tokens' | 'thinking' | 'output_config'> {
  const { model, thinkingLevel, outputTokensMax } = request;
  if (thinkingLevel === 'off') return { max_tokens: outputTokensMax };
  if (takesBudget(model)) {
    const budget = THINKING_BUDGETS[thinkingLevel];
    return { max_tokens: outputTokensMax + budget, thinking: { type: 'enabled', budget_tokens: budget } };
  }
  return { max_tokens: outputTokensMax, thinking: { type: 'adaptive' }, output_config: { effort: thinkingLevel } };
}

/** `claude-haiku-4-5-20251001`, `claude-3-7-sonnet-20250219`: the first number is the generation, an optional second its minor. */
function takesBudget(model: string): boolean {
  const [, major, minor] = /^claude-(?:[a-z]+-)?(\d+)(?:-(\d{1,2})(?!\d))?/.exec(model) ?? [];
  return major !== undefined && (Number(major) < 4 || (Number(major) === 4 && Number(minor ?? 0) <= 5));
}

/**
 * The API wants turns that alternate, starting with the user; no empty content; and all results of an answer's tool
 * calls at the start of the next user turn. So neighbours of one role become one message, and empty answers vanish.
 */
function messageParams(messages: readonly ModelMessage[], names: ToolNames): Params['messages'] {
  const result: { role: 'user' | 'assistant'; content: ContentBlockParam[] }[] = [];
  for (const message of messages) {
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const content = contentBlocks(message, names);
    if (content.length === 0) continue;
    const last = result.at(-1);
    if (last?.role === role) last.content.push(...content);
    else result.push({ role, content });
  }
  return result;
}

function contentBlocks(message: ModelMessage, names: ToolNames): ContentBlockParam[] {
  switch (message.role) {
    case 'user':
      return userBlocks(message);
    case 'tool':
      return [
        { type: 'tool_result', tool_use_id: apiId(message.call), content: message.text, is_error: message.failed },
      ];
    case 'assistant': {
      if (message.echo?.provider === NAME) return [...(message.echo.content as ContentBlockParam[])];
      const calls = message.toolCalls.map(
        ({ id, name, input }): ContentBlockParam => ({
          type: 'tool_use',
          id: apiId(id),
          name: names.toApi(name),
          input: input !== null && typeof input === 'object' && !Array.isArray(input) ? input : {},
        }),
      );
      return message.text.trim() === '' ? calls : [{ type: 'text', text: message.text }, ...calls];
    }
  }
}

/** Images come first, as the vendor advises. */
function userBlocks({ text, images = [] }: ModelMessage & { role: 'user' }): ContentBlockParam[] {
  return [
    ...images.map(
      ({ mediaType, data }): ContentBlockParam => ({
        type: 'image',
        source: { type: 'base64', media_type: mediaType, data: base64(data) },
      }),
    ),
    // Of white space alone the API says that it is empty; the user did write something.
    { type: 'text', text: text.trim() === '' ? '(empty message)' : text },
  ];
}

/** An id another provider gave, in the characters this one takes. */
function apiId(id: string): string {
  return id.replace(/[^a-zA-Z0-9_-]/g, '_');
}

/** The blocks of one answer, put together from their deltas. */
class Answer {
  readonly #names: ToolNames;
  /** As the API wants them back: thinking unchanged and all in order. */
  readonly #blocks: ContentBlockParam[] = [];
  /** Arguments of the tool call whose block is open. */
  #json = '';
  #usage: Usage | null = null;
  #stopReason: string | null = null;

  constructor(names: ToolNames) {
    this.#names = names;
  }

  async *read(events: AsyncIterable<RawMessageStreamEvent>): AsyncGenerator<ModelEvent> {
    let whole = false;
    for await (const event of events) {
      switch (event.type) {
        case 'message_start':
          this.#count(event.message.usage);
          break;
        case 'content_block_start':
          this.#open(event.content_block);
          break;
        case 'content_block_delta': {
          const text = this.#extend(event.delta);
          if (text !== '') yield { type: 'text', text };
          break;
        }
        case 'content_block_stop': {
          const block = this.#blocks.at(-1);
          if (block?.type === 'tool_use') yield { type: 'toolCall', call: this.#call(block) };
          break;
        }
        case 'message_delta':
          this.#stopReason = event.delta.stop_reason;
          this.#count(event.usage);
          break;
        case 'message_stop':
          whole = true;
          break;
      }
    }
    // Only now: leaving the loop before the response ends would cost its connection.
    if (!whole) throw cutShort(NAME);
    yield this.#end();
  }

  /** Blocks of the vendor's own tools cannot come: none is offered. */
  #open(block: Anthropic.ContentBlock): void {
    switch (block.type) {
      case 'text':
        this.#blocks.push({ type: 'text', text: block.text });
        break;
      case 'tool_use':
        this.#json = '';
        this.#blocks.push({ type: 'tool_use', id: block.id, name: block.name, input: {} });
        break;
      case 'thinking':
      case 'redacted_thinking':
        this.#blocks.push({ ...block });
        break;
    }
  }

  /** Returns the text to show, if any. */
  #extend(delta: Anthropic.RawContentBlockDelta): string {
    const block = this.#blocks.at(-1);
    if (delta.type === 'text_delta' && block?.type === 'text') {
      block.text += delta.text;
      return delta.text;
    }
    if (delta.type === 'input_json_delta') this.#json += delta.partial_json;
    if (block?.type === 'thinking') {
      if (delta.type === 'thinking_delta') block.thinking += delta.thinking;
      if (delta.type === 'signature_delta') block.signature += delta.signature;
    }
    return '';
  }

  /** The tool call of a block that is whole. */
  #call(block: ToolUseBlockParam): ToolCall {
    const name = this.#names.fromApi(block.name);
    try {
      block.input = parseToolInput(this.#json);
    } catch (error) {
      throw brokenCall(NAME, name, error);
    }
    return { id: block.id, name, input: block.input };
  }

  /** Counts are cumulative: a later one replaces an earlier. What a cache held is input all the same. */
  #count(usage: Anthropic.MessageDeltaUsage | Anthropic.Usage | undefined): void {
    if (!usage) return;
    const cached = (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0);
    this.#usage = {
      inputTokens: usage.input_tokens == null ? (this.#usage?.inputTokens ?? 0) : usage.input_tokens + cached,
      outputTokens: usage.output_tokens,
    };
  }

  #end(): ModelEvent {
    const end = { type: 'end' as const, reason: endReason(this.#stopReason), usage: this.#usage };
    const thought = this.#blocks.some(({ type }) => type === 'thinking' || type === 'redacted_thinking');
    if (!thought) return end;
    const content = this.#blocks.filter((block) => block.type !== 'text' || block.text.trim() !== '');
    return { ...end, echo: { provider: NAME, content } };
  }
}

function endReason(stopReason: string | null): EndReason {
  switch (stopReason) {
    case 'tool_use':
      return 'toolCalls';
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length';
    case 'refusal':
      return 'refused';
    default:
      return 'stop';
  }
}
