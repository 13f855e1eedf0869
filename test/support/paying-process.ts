/**
 * One session in a process of its own, whose agent pays for what it is told with a tool that must not be called twice. Each
 * line of standard input is a message and its idempotency key; what is acknowledged and how it ends is printed. The
 * payments stand in a file, as the world has seen them. Arguments: the store's folder, the file of payments.
 */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { DuplicateMessage, newTurn } from '../../actors/session/turn.ts';
import type { ModelProvider } from '../../src/agent/provider.ts';
import { Store } from '../../src/storage/store.ts';
import { ToolRegistry } from '../../src/tools/registry.ts';
import { defineTool } from '../../src/tools/tool.ts';
import { modelsOf, newId, sessionSystem } from './session-system.ts';

const KEY = 'agent:main:main';
const [folder, payments] = process.argv.slice(2) as [string, string];

const pay = defineTool({
  name: 'pay',
  group: 'test',
  description: 'Pays.',
  input: z.strictObject({ what: z.string() }),
  risk: 'safe',
  safeToRepeat: false,
  handler: ({ what }) => {
    appendFileSync(payments, `${what}\n`);
    return 'paid';
  },
});

/** Pays for what was said last, then says how that went. */
const model: ModelProvider = {
  name: 'payer',
  async *stream({ messages }) {
    const last = messages.at(-1);
    const usage = { inputTokens: 1, outputTokens: 1 };
    if (last?.role === 'user') {
      yield { type: 'toolCall', call: { id: newId(), name: 'pay', input: { what: last.text } } };
      yield { type: 'end', reason: 'toolCalls', usage };
    } else {
      yield { type: 'text', text: last?.role === 'tool' && !last.failed ? 'paid' : 'perhaps' };
      yield { type: 'end', reason: 'stop', usage };
    }
  },
};

const store = new Store(folder);
const config = { agents: { main: { tools: ['pay'] } } };
const { session, events } = sessionSystem({ store, config, models: modelsOf(model), tools: new ToolRegistry([pay]) });

setInterval(() => {
  for (const { type, data } of events.splice(0)) {
    if (type === 'run.end') console.log(`end ${(data as { message: string; status: string }).message}`);
  }
}, 5);
await session(KEY).control({ type: 'wake' });
console.log('ready');

for await (const text of createInterface({ input: process.stdin })) {
  const turn = { ...newTurn(newId(), text), idempotencyKey: text };
  session(KEY)
    .tell({ ...turn, acknowledge: () => console.log(`ack ${turn.message}`) })
    .catch((error: unknown) => {
      if (!(error instanceof DuplicateMessage)) throw error;
      console.log(`duplicate ${error.original.message}`);
    });
}
