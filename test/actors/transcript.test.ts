/** Goal: what a session looks back on when it comes back to memory. Method: a transcript on a real store, read anew. */
import { expect, it, onTestFinished } from 'vitest';
import { Transcript } from '../../actors/session/transcript.ts';
import { HISTORY_MESSAGES_MAX } from '../../src/agent/context.ts';
import { Store } from '../../src/storage/store.ts';
import { tempFolder } from '../support/temp-folder.ts';

const KEY = 'agent:main:main';

async function open(): Promise<{ store: Store; again: () => Transcript; say: (count: number) => Promise<void> }> {
  const store = new Store(await tempFolder(), { flush: false });
  onTestFinished(() => store.close());
  const again = () => new Transcript(store, KEY);
  const say = (count: number) => {
    const transcript = again();
    return store.journal.commit((batch) => {
      for (let turn = 0; turn < count; turn += 1) {
        const seq = transcript.number();
        transcript.write(batch, { seq, role: 'user', text: `question ${seq}`, timestamp: 0, message: `m${seq}` });
        const answer = { role: 'assistant' as const, text: 'answer', timestamp: 0, message: `m${seq}` };
        transcript.write(batch, { ...answer, seq: transcript.number() });
      }
    });
  };
  return { store, again, say };
}

it('is the newest summary and the turns after what it covers, however far back the summary stands', async () => {
  const { store, again, say } = await open();
  await say(10);
  const transcript = again();
  const covers = transcript.history().turns[6]?.seq ?? 0;
  const entry = transcript.summary('THE GIST', covers, 's1', 0)!;
  await store.journal.commit((batch) => transcript.writeSummary(batch, entry));
  const near = again().history();
  expect(near.summary?.messages[0]?.text).toContain('THE GIST');
  expect(near.turns).toHaveLength(3);
  await say(HISTORY_MESSAGES_MAX);
  const far = again();
  expect(far.history().summary?.messages[0]?.text).toContain('THE GIST');
  expect(far.summaries).toBe(1);
});

it('is nothing from before a reset, though that stands far back too', async () => {
  const { store, again, say } = await open();
  await say(10);
  const transcript = again();
  const entry = transcript.summary('THE GIST', 5, 's1', 0)!;
  await store.journal.commit((batch) => transcript.writeSummary(batch, entry));
  const marker = transcript.reset('r1', 0);
  await store.journal.commit((batch) => transcript.writeReset(batch, marker));
  expect(again().history()).toEqual({ summary: undefined, turns: [] });
  await say(HISTORY_MESSAGES_MAX);
  expect(again().history().summary).toBeUndefined();
});
