/** A model server that acts by what it is asked, so that several sessions can be at work at once. */
import { onTestFinished } from 'vitest';
import type { ConfigInput } from './gateway.ts';
import { OPENAI_KEY, OPENAI_MODEL, startOpenAiServer } from './openai-server.ts';
import type { ModelServer, Reply } from './sse.ts';

export interface Asked {
  /** The last message of a user. */
  said: string;
  /** The results of tools since then, in order. */
  results: string[];
  /** The messages of users, from the first that was sent. */
  user: string[];
  /** Everything that was said. */
  all: string;
  tools: string[];
}

export interface ActingModel {
  server: ModelServer;
  models: NonNullable<ConfigInput['models']>;
  asked: Asked[];
}

/** `act` says what the model answers. The server lives until the test has ended. */
export async function actingModel(act: (asked: Asked) => Reply | Promise<Reply>): Promise<ActingModel> {
  const asked: Asked[] = [];
  const server = await startOpenAiServer({
    answer: (body) => {
      const one = readAsked(body);
      asked.push(one);
      return act(one);
    },
  });
  onTestFinished(() => server.close());
  const models = { default: `openai/${OPENAI_MODEL}`, openai: { apiKey: OPENAI_KEY, baseUrl: server.url } };
  return { server, models, asked };
}

/** A call of one tool. */
export function calls(name: string, input: unknown, id = `call_${Math.random().toString(36).slice(2)}`): Reply {
  return { toolCalls: [{ name, input, id }] };
}

export function says(text: string): Reply {
  return { text: [text] };
}

function readAsked(body: Record<string, unknown>): Asked {
  const messages = body.messages as { role: string; content: string }[];
  const last = messages.findLastIndex(({ role }) => role === 'user');
  const tools = (body.tools ?? []) as { function: { name: string } }[];
  return {
    said: messages[last]?.content ?? '',
    user: messages.filter(({ role }) => role === 'user').map(({ content }) => content),
    results: messages
      .slice(last)
      .filter(({ role }) => role === 'tool')
      .map(({ content }) => content),
    all: messages.map(({ content }) => content).join('\n'),
    tools: tools.map(({ function: { name } }) => name),
  };
}
