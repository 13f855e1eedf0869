/** Goal: how a message ended is read from the transcript. Method: pages of entries made by hand. */
import { describe, expect, it } from 'vitest';
import { endFromHistory, type HistoryPage } from '../../src/client/settle.ts';
import type { HistoryEntry } from '../../src/protocol/messages.ts';

const SESSION = 'agent:main:main';
type Line = Partial<HistoryEntry> & Pick<HistoryEntry, 'role' | 'message'>;

const question = (message: string): Line => ({ role: 'user', message, text: `ask ${message}` });
const answer = (message: string, fields: Partial<HistoryEntry> = {}): Line => ({
  role: 'assistant',
  message,
  run: `run of ${message}`,
  text: `answer ${message}`,
  ...fields,
});

/** The events after `message`, from a transcript that comes in pages of two. */
async function end(message: string, ...lines: Line[]) {
  const entries = lines.map((line, index): HistoryEntry => ({ seq: index + 1, timestamp: 0, text: '', ...line }));
  const history: HistoryPage = async (before = entries.length + 1) => {
    const found = entries.filter(({ seq }) => seq < before);
    return { session: SESSION, entries: found.slice(-2), more: found.length > 2 };
  };
  return endFromHistory(SESSION, message, history);
}

describe('a message whose events were missed', () => {
  it('has ended when its answer is there, further back too', async () => {
    const later = ['b', 'c', 'd'].flatMap((message) => [question(message), answer(message)]);
    const events = await end('a', question('a'), answer('a'), ...later);
    expect(events.map(({ type }) => type)).toEqual(['message.outbound', 'run.end']);
    expect(events[0]?.data).toMatchObject({ session: SESSION, message: 'a', run: 'run of a', text: 'answer a' });
    expect(events[1]?.data).toMatchObject({ message: 'a', status: 'ok', usage: { estimated: true } });
  });

  it('goes on while it has none, or only calls of tools', async () => {
    expect(await end('a', question('a'))).toEqual([]);
    const calls = { toolCalls: [{ id: '1', name: 'calc', input: {} }] };
    expect(await end('a', question('a'), answer('a', calls), { role: 'tool', message: 'a' })).toEqual([]);
    expect(await end('b', question('a'), question('b'), answer('a'))).toEqual([]);
  });

  it('has failed or was cancelled when its last line says so', async () => {
    const events = await end('a', question('a'), answer('a', { status: 'failed' }));
    expect(events.map(({ type, data }) => [type, 'status' in data && data.status])).toEqual([['run.end', 'failed']]);
  });

  it('has the end of the run that answered it together with later ones', async () => {
    const lines = [question('a'), question('b'), answer('b', { answers: ['a'] })];
    const events = await end('a', ...lines);
    expect(events.map(({ type }) => type)).toEqual(['message.outbound', 'run.end']);
    expect(events[0]?.data).toMatchObject({ message: 'a', run: 'run of b', text: 'answer b' });
  });

  it('is not found in the transcript of another session', async () => {
    expect(await end('z', question('a'), answer('a'))).toEqual([]);
  });
});
