/**
 * How APIs say that a request is too long, body for body: from the vendors' documentation and sources, and from the issues
 * of people who were told so.
 */
import type { OverflowRefusal } from './sse.ts';

const openAi = (message: string, code: string | null = 'context_length_exceeded') => ({
  error: { message, type: 'invalid_request_error', param: 'messages', code },
});

export const OPENAI_REFUSALS: Readonly<Record<string, OverflowRefusal>> = {
  OpenAI: (sent, _answer, limit) => ({
    status: 400,
    body: openAi(
      `This model's maximum context length is ${limit} tokens. However, your messages resulted in ${sent} tokens. ` +
        'Please reduce the length of the messages.',
    ),
  }),
  'OpenAI, newer models': (sent, _answer, limit) => ({
    status: 400,
    body: openAi(
      `Input tokens exceed the configured limit of ${limit} tokens. Your messages resulted in ${sent} tokens. ` +
        'Please reduce the length of the messages.',
    ),
  }),
  'llama.cpp': (sent, _answer, limit) => ({
    status: 400,
    body: {
      error: {
        code: 400,
        message: `request (${sent} tokens) exceeds the available context size (${limit} tokens), try increasing it`,
        type: 'exceed_context_size_error',
        n_prompt_tokens: sent,
        n_ctx: limit,
      },
    },
  }),
  'llama.cpp, earlier': (sent, _answer, limit) => ({
    status: 400,
    body: {
      error: {
        code: 400,
        message:
          'the request exceeds the available context size. try increasing the context size or enable context shift',
        type: 'exceed_context_size_error',
        n_prompt_tokens: sent,
        n_ctx: limit,
      },
    },
  }),
  // The fields of the error stand at the top: the SDK finds none of them there.
  vLLM: (sent, answer, limit) => ({
    status: 400,
    body: {
      object: 'error',
      message:
        `This model's maximum context length is ${limit} tokens. However, you requested ${sent + answer} tokens ` +
        `(${sent} in the messages, ${answer} in the completion). Please reduce the length of the messages or completion.`,
      type: 'BadRequestError',
      param: null,
      code: 400,
    },
  }),
  'vLLM, newer': (sent, answer, limit) => ({
    status: 400,
    body: {
      error: {
        message:
          `'max_tokens' or 'max_completion_tokens' is too large: ${answer}. This model's maximum context length is ` +
          `${limit} tokens and your request has ${sent} input tokens (${answer} > ${limit} - ${sent}). (parameter=max_tokens, value=${answer})`,
        type: 'BadRequestError',
        param: 'max_tokens',
        code: 400,
      },
    },
  }),
  Ollama: (sent, _answer, limit) => ({
    status: 400,
    body: {
      error: {
        message: JSON.stringify({
          error: {
            code: 400,
            message: `request (${sent} tokens) exceeds the available context size (${limit} tokens), try increasing it`,
            type: 'exceed_context_size_error',
            n_prompt_tokens: sent,
            n_ctx: limit,
          },
        }),
        type: 'invalid_request_error',
        param: null,
        code: null,
      },
    },
  }),
  OpenRouter: (sent, answer, limit) => ({
    status: 400,
    body: {
      error: {
        message:
          `This endpoint's maximum context length is ${limit} tokens. However, you requested about ${sent + answer} tokens ` +
          `(${sent} of text input, ${answer} in the output). Please reduce the length of either one, or use the ` +
          '"middle-out" transform to compress your prompt automatically.',
        code: 400,
        metadata: { provider_name: null },
      },
    },
  }),
  'LM Studio': (_sent, _answer, limit) => ({
    status: 400,
    body: {
      error:
        'Trying to keep the first 4500 tokens when context the overflows. However, the model is loaded with context ' +
        `length of only ${limit} tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input`,
    },
  }),
  // Without a number at all.
  'a proxy': () => ({ status: 400, body: openAi('Your input exceeds the context window of this model.', null) }),
};

const anthropic = (message: string, type = 'invalid_request_error') => ({
  type: 'error',
  error: { type, message },
  request_id: 'req_1',
});

export const ANTHROPIC_REFUSALS: Readonly<Record<string, OverflowRefusal>> = {
  Anthropic: (sent, _answer, limit) => ({
    status: 400,
    body: anthropic(`prompt is too long: ${sent} tokens > ${limit} maximum`),
  }),
  'Anthropic, question and answer together': (sent, answer, limit) => ({
    status: 400,
    body: anthropic(
      `input length and \`max_tokens\` exceed context limit: ${sent} + ${answer} > ${limit}, decrease input length or ` +
        '`max_tokens` and try again',
    ),
  }),
  'Anthropic, by bytes': () => ({
    status: 413,
    body: anthropic('Request exceeds the maximum size', 'request_too_large'),
  }),
};
