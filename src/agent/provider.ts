/**
 * What a model provider is to the loop. One file a provider in `providers/`; every one passes the same behaviour suite
 * (`test/agent/providers.test.ts`).
 */
import type { ImageType, ThinkingLevel, Usage } from '../protocol/messages.ts';

/** One message of what a model is sent. A tool call is always followed by its result before the next user message. */
export type ModelMessage =
  | {
      role: 'user';
      text: string;
      stored?: readonly StoredImage[];
      images?: readonly ModelImage[];
      /** None of those who talk here wrote it: another session, a schedule or a model did. See `tools/outside.ts`. */
      outside?: true;
    }
  | { role: 'assistant'; text: string; toolCalls: readonly ToolCall[]; echo?: Echo }
  | { role: 'tool'; call: string; name: string; text: string; failed: boolean };

/** An image a model is shown. */
export interface ModelImage {
  mediaType: ImageType;
  data: Uint8Array;
}

/** An image of a transcript: the loop reads it (`images.ts`) when it sends it, so that no context holds its bytes. */
export interface StoredImage {
  mediaType: ImageType;
  bytes: number;
  /** Undefined when it is not there any more. */
  read(): Uint8Array | undefined;
}

/**
 * A provider's own form of an answer, where the API wants it back unchanged for as long as the run goes on (Anthropic's
 * signed thinking blocks). Opaque to everyone else, and never stored: the next run is given text and tool calls only.
 */
export interface Echo {
  provider: string;
  content: unknown;
}

export interface ToolCall {
  /** Given by the model API; unique in its answer. */
  id: string;
  /** Our name, with dots (`time.now`). A provider whose API allows no dots maps it both ways. */
  name: string;
  input: unknown;
}

export interface ToolDescription {
  name: string;
  description: string;
  /** JSON Schema of the input, an object. */
  inputSchema: Record<string, unknown>;
}

export interface ModelRequest {
  /** The model's name at this provider, without the provider's prefix. */
  model: string;
  system: string;
  messages: readonly ModelMessage[];
  tools: readonly ToolDescription[];
  thinkingLevel: ThinkingLevel;
  outputTokensMax: number;
}

/**
 * What a provider yields: any number of `text` and `toolCall`, then exactly one `end`. A tool call is yielded when it is
 * whole. `usage` is null when the API reported none.
 */
export type ModelEvent =
  | { type: 'text'; text: string }
  | { type: 'toolCall'; call: ToolCall }
  | { type: 'end'; reason: EndReason; usage: Usage | null; echo?: Echo };

export type EndReason = 'stop' | 'toolCalls' | 'length' | 'refused';

export interface ModelProvider {
  readonly name: string;
  /**
   * Streams one answer. Ends by throwing a `DhaavakError` (`model_rejected` with the API's reason, `model_unavailable`
   * with `retryAfterMs` where the API gave one) or, when `signal` aborts, whatever the abort made it throw: the loop
   * looks at the signal first. A stream cut before its end is `model_unavailable`, never a short answer.
   */
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelEvent>;
}
