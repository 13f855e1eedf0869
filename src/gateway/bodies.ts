/** Requests with a body: read within limits, handed on, answered with what comes back. */

import type { HttpResponse } from 'uWebSockets.js';
import { Blocks } from './blocks.ts';

/** Bytes of one body, and how long it may take to come. */
const BODY_BYTES_MAX = 1024 * 1024;
const BODY_TIMEOUT_MS = 5_000;
/** Requests that are being read or answered, and memory for the bodies that are being read. */
const REQUESTS_MAX = 256;
const BYTES_MAX = 8 * 1024 * 1024;

/** Reason phrases of the statuses that are answered with; of others there is none. `node:http` has them all, and takes 25 ms to load. */
const REASONS: Partial<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  204: 'No Content',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

export interface BodyAnswer {
  status: number;
  headers: Iterable<readonly [name: string, value: string]>;
  body: string | Uint8Array;
}

/** A request whose body is coming, or whose answer is. */
interface Reading {
  response: HttpResponse;
  blocks: Buffer[];
  bytes: number;
  timer: NodeJS.Timeout | undefined;
  /** The response can still be written. */
  alive: boolean;
  /** No more of the body is wanted. */
  closed: boolean;
}

/** What is read at once counts together: who takes requests of different kinds has one of these for each. */
export class Bodies {
  readonly #blocks = new Blocks(BYTES_MAX);
  #requests = 0;

  /**
   * Reads the body of a request and answers with what `work` makes of it; undefined: 503. `work` never rejects. To be called
   * in the request's own handler, with all that is wanted of its head read before.
   *
   * @param announcedBytes its `content-length`, NaN or 0 where there is none
   */
  handle(
    response: HttpResponse,
    announcedBytes: number,
    work: (body: Buffer) => Promise<BodyAnswer | undefined>,
  ): void {
    const reading: Reading = { response, blocks: [], bytes: 0, timer: undefined, alive: true, closed: false };
    response.onAborted(() => {
      reading.alive = false;
      if (!reading.closed && reading.timer !== undefined) this.#leave(reading);
    });
    const isTooLarge = announcedBytes > BODY_BYTES_MAX;
    if (isTooLarge || this.#requests >= REQUESTS_MAX) {
      refuse(reading, isTooLarge ? '413 Payload Too Large' : '503 Service Unavailable');
      return;
    }
    this.#requests += 1;
    reading.timer = setTimeout(() => this.#cut(reading, '408 Request Timeout'), BODY_TIMEOUT_MS);
    response.onData((chunk, last) => {
      if (reading.closed) return;
      if (reading.bytes + chunk.byteLength > BODY_BYTES_MAX) this.#cut(reading, '413 Payload Too Large');
      else if (!this.#blocks.append(reading.blocks, reading.bytes, new Uint8Array(chunk))) {
        this.#cut(reading, '503 Service Unavailable');
      } else {
        reading.bytes += chunk.byteLength;
        if (last) void this.#answer(reading, work);
      }
    });
  }

  /** Never rejects. */
  async #answer(reading: Reading, work: (body: Buffer) => Promise<BodyAnswer | undefined>) {
    clearTimeout(reading.timer);
    reading.closed = true;
    const answer = await work(this.#bodyOf(reading));
    this.#leave(reading);
    if (answer === undefined) refuse(reading, '503 Service Unavailable');
    if (answer === undefined || !reading.alive) return;
    reading.response.cork(() => {
      reading.response.writeStatus(`${answer.status} ${REASONS[answer.status] ?? ''}`);
      for (const [name, value] of answer.headers) reading.response.writeHeader(name, value);
      reading.response.end(answer.body);
    });
  }

  /** The whole body; its blocks are given back. */
  #bodyOf({ blocks, bytes }: Reading): Buffer {
    const body = Buffer.concat(blocks, bytes);
    this.#blocks.release(blocks);
    return body;
  }

  #cut(reading: Reading, status: string): void {
    this.#leave(reading);
    refuse(reading, status);
  }

  /** The request takes up nothing any more. */
  #leave(reading: Reading): void {
    clearTimeout(reading.timer);
    reading.closed = true;
    this.#blocks.release(reading.blocks);
    this.#requests -= 1;
  }
}

/** Answers without a body of ours, and closes: whatever else is being sent is not read. */
export function refuse(reading: { response: HttpResponse; alive: boolean }, status: string): void {
  if (!reading.alive) return;
  reading.alive = false;
  reading.response.cork(() => reading.response.writeStatus(status).end('', true));
}
