/**
 * Goal: what a slow client is sent tells it everything, however its reading and what happens fall together. Method: random
 * events of some sessions, and a random number of frames let out in between; then what came out is read as a client reads it.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Backlog } from '../../src/gateway/backlog.ts';
import { decodeFrame, encodeFrame, type Frame } from '../../src/protocol/frame.ts';

/** What happens next: a session says something of a kind, or the client reads so many frames. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      session: fc.constantFrom('a', 'b'),
      kind: fc.oneof({ weight: 3, arbitrary: fc.constant('delta') }, fc.constantFrom('answer', 'cut answer', 'tool')),
    }),
  },
  fc.record({ read: fc.integer({ min: 1, max: 4 }) }),
  fc.constant({ reply: true }),
);

interface Data {
  session: string;
  seq: number;
  run: string;
  text?: string;
  truncated?: true;
  skipped?: number;
}

/** A session that speaks, and what a client that missed nothing knows of it. */
class Session {
  readonly name: string;
  /** Of each run that has an answer, the answer; of others, what its deltas say. */
  readonly texts = new Map<string, string>();
  #run = 0;
  #said = '';
  #seq = 0;

  constructor(name: string) {
    this.name = name;
  }

  next(kind: string): Frame {
    this.#seq += 1;
    const run = `${this.name}${this.#run}`;
    const of = (type: string, more: object): Frame => {
      const data = { session: this.name, seq: this.#seq, epoch: 'e', run, ...more };
      return { id: `e-${this.#seq}`, type, timestamp: 0, data };
    };
    if (kind === 'tool') return of('tool.start', { call: 'c', name: 'calc', input: {} });
    if (kind === 'delta') {
      const text = `${this.#seq} `;
      this.#said += text;
      this.texts.set(run, this.#said);
      return of('message.delta', { text });
    }
    const text = this.#said;
    this.texts.set(run, text);
    this.#run += 1;
    this.#said = '';
    return of(
      'message.outbound',
      kind === 'answer' ? { message: 'm', text } : { message: 'm', text: '', truncated: true },
    );
  }
}

it('a slow client gets every frame in order, or the text of those it does not get and how many they are', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
      const backlog = new Backlog();
      const sessions = { a: new Session('a'), b: new Session('b') };
      const frames: Frame[] = [];
      let replies = 0;
      const read = (count: number): void => {
        let left = count;
        backlog.release((bytes) => {
          frames.push(decodeFrame(bytes));
          left -= 1;
          return left > 0;
        });
      };
      for (const next of steps) {
        if ('read' in next) read(next.read);
        else if ('session' in next) backlog.add(encodeFrame(sessions[next.session as 'a'].next(next.kind)));
        else {
          replies += 1;
          backlog.add(encodeFrame({ id: `${replies}`, type: 'pong', timestamp: 0, data: {} }));
        }
      }
      read(Number.POSITIVE_INFINITY);

      expect([backlog.empty, backlog.bytes]).toEqual([true, 0]);
      const pongs = frames.filter(({ type }) => type === 'pong').map(({ id }) => id);
      expect(pongs).toEqual(Array.from({ length: replies }, (_, i) => `${i + 1}`));
      for (const { name, texts } of Object.values(sessions)) {
        const heard = new Map<string, string>();
        let seq = 0;
        for (const { type, data } of frames) {
          const { session, run, text = '', truncated, skipped = 0, ...at } = (data ?? {}) as Partial<Data>;
          if (session !== name || run === undefined) continue;
          expect(at.seq).toBe(seq + 1 + skipped);
          seq = at.seq as number;
          if (type === 'message.delta') heard.set(run, (heard.get(run) ?? '') + text);
          else if (type === 'message.outbound' && !truncated) heard.set(run, text);
        }
        for (const [run, text] of texts) expect(heard.get(run) ?? '').toBe(text);
      }
    }),
    { numRuns: 300 },
  );
});
