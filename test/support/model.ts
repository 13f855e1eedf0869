import { onTestFinished } from 'vitest';
import type { ConfigInput } from './gateway.ts';
import { OPENAI_KEY, OPENAI_MODEL, startOpenAiServer } from './openai-server.ts';
import type { ModelServer, Reply } from './sse.ts';

/** An answer that begins with "Once" and never goes on. */
export const STALLS: Reply = { text: ['Once', ' upon'], fault: 'stall' };

/** An OpenAI-compatible model server that answers from a script, and the configuration that makes it the default model. */
export async function scriptedModel(
  ...script: Reply[]
): Promise<{ server: ModelServer; models: ConfigInput['models'] }> {
  const server = await startOpenAiServer();
  onTestFinished(() => server.close());
  server.script(...script);
  const models = { default: `openai/${OPENAI_MODEL}`, openai: { apiKey: OPENAI_KEY, baseUrl: server.url } };
  return { server, models };
}

/** The last user message of a request to the model. */
export function askedText(body: Record<string, unknown>): unknown {
  const messages = body.messages as { role: string; content: unknown }[];
  return messages.findLast(({ role }) => role === 'user')?.content;
}
