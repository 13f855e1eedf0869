/**
 * A worker thread that floods a session, so that whoever measures meanwhile is not held up by it. `workerData` is a
 * {@link Flood}; it posts a {@link FloodEnd} when every message is answered and every accepted one has had its run.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame.ts';
import { IN_FLIGHT_MAX } from '../../src/protocol/limits.ts';
import { helloData } from './wire-client.ts';

export interface Flood {
  url: string;
  token: string;
  session: string;
  messages: number;
  connections: number;
}

export interface FloodEnd {
  /** Ids of the accepted messages, in the order of their acks. */
  accepted: string[];
  /** Ids of the messages whose runs ended well, each as often as it did. */
  answered: string[];
  /** Refusals by code. */
  refused: Record<string, number>;
  /** Refusals that are not retryable or do not say when to try again, and runs that did not end well. */
  wrong: number;
}

const { url, token, session, messages, connections } = workerData as Flood;
const end: FloodEnd = { accepted: [], answered: [], refused: {}, wrong: 0 };
let unsent = messages;
let unanswered = messages;

class Flooder {
  readonly #socket = new WebSocket(url);
  /** The first one hears the runs of all, and is there before there are any. */
  readonly #isFirst: boolean;
  #inFlight = 0;

  constructor(isFirst: boolean) {
    this.#isFirst = isFirst;
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.addEventListener('open', () => this.#say('hello', helloData(token)));
    this.#socket.addEventListener('message', ({ data }) => this.#receive(new Uint8Array(data as ArrayBuffer)));
  }

  #say(type: string, data: object): void {
    this.#socket.send(Uint8Array.from(encodeFrame({ id: type, type, timestamp: 0, data })));
  }

  #receive(bytes: Uint8Array): void {
    const { id, type, data, error } = decodeFrame(bytes);
    const { message = '', status } = (data ?? {}) as { message?: string; status?: string };
    if (type === 'welcome' && this.#isFirst) this.#say('subscribe', { session });
    if (id === 'subscribe') for (let i = 1; i < connections; i += 1) new Flooder(false);
    if (type === 'run.end' && this.#isFirst) {
      end.answered.push(message);
      if (status !== 'ok') end.wrong += 1;
    }
    if (id === 'message.send') {
      this.#inFlight -= 1;
      unanswered -= 1;
      if (error === undefined) end.accepted.push(message);
      else {
        end.refused[error.code] = (end.refused[error.code] ?? 0) + 1;
        if (!error.retryable || error.retryAfterMs === undefined) end.wrong += 1;
      }
    }
    if (id === 'message.send' || id === (this.#isFirst ? 'subscribe' : 'hello')) this.#send();
    if (unanswered === 0 && end.answered.length >= end.accepted.length) parentPort?.postMessage(end);
  }

  #send(): void {
    while (unsent > 0 && this.#inFlight < IN_FLIGHT_MAX) {
      unsent -= 1;
      this.#inFlight += 1;
      this.#say('message.send', { session, text: 'flood' });
    }
  }
}

new Flooder(true);
