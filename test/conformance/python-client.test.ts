/** Goal: the protocol can be spoken from another language. Method: a Python client, by the document, against the real thing. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { gatewayProcess } from '../support/gateway.ts';
import { STALLS, scriptedModel } from '../support/model.ts';
import { missingPython, runPython } from '../support/python.ts';

const CLIENT = fileURLToPath(new URL('../support/python-client.py', import.meta.url));
const missing = missingPython();

/** What the client prints, as far as it is looked into here. */
interface Seen {
  session: string;
  events: [string, Record<string, unknown>][];
  replayed: unknown;
  subscribed: unknown;
  [what: string]: unknown;
}

it('a Python client connects, talks, reads, cancels, subscribes, comes back, and speaks JSON', async (context) => {
  if (missing !== undefined) return context.skip(`${missing} is missing`);
  const { models } = await scriptedModel(
    { toolCalls: [{ name: 'calc', input: { expression: '2+3*4' } }] },
    { text: ['It ', 'is ', '14. ', 'नमस्ते'] },
    STALLS,
  );
  const gateway = await gatewayProcess({ config: { models } });
  const seen: Seen = JSON.parse(await runPython(CLIENT, [gateway.url, join(gateway.home, 'token')]));

  expect(seen.welcome).toMatchObject({ protocol: 1, features: ['json'] });
  expect(seen.session).toMatch(/^agent:main:dm:api:%E0%A4%AA/);
  expect(seen['events before ack']).toBe(0);
  expect(seen.ack).toMatchObject({ session: seen.session, queued: 0 });
  const { message } = seen.ack as { message: string };
  expect(seen.events.map(([type]) => type).filter((type, i, types) => type !== types[i - 1])).toEqual([
    'message.inbound',
    'run.start',
    'tool.start',
    'tool.end',
    'message.delta',
    'message.outbound',
    'run.end',
  ]);
  expect(seen.events.map(([, { seq }]) => seq)).toEqual(seen.events.map((_, i) => i + 1));
  const text = (type: string) => seen.events.flatMap(([is, data]) => (is === type ? [data.text] : [])).join('');
  expect(text('message.delta')).toBe('It is 14. नमस्ते');
  expect(text('message.outbound')).toBe('It is 14. नमस्ते');
  expect(seen.events.at(-1)?.[1]).toMatchObject({
    message,
    status: 'ok',
    usage: { inputTokens: 22, outputTokens: 14 },
  });
  expect(seen.repeated).toMatchObject({ message, duplicate: true });
  expect(seen.history).toMatchObject({
    more: false,
    entries: [{ role: 'user' }, { role: 'assistant' }, { role: 'tool', text: '14' }, { role: 'assistant' }],
  });
  expect(seen.subscribed).toMatchObject({ session: seen.session, seq: seen.events.length, recovered: true });
  expect(seen.replayed).toEqual(seen.events.slice(3));
  expect(seen.cancelled).toMatchObject({ cancelled: [expect.any(String)] });
  const end = ['run.end', expect.objectContaining({ status: 'cancelled', error: expect.anything() })];
  expect(seen.ends).toEqual([end, end]);
  expect(seen.refused).toMatchObject({ code: 'invalid_request', param: 'data.text', retryable: false });
  expect([seen.stranger, seen['stranger closed']]).toEqual(['hello_required', 4401]);
});
