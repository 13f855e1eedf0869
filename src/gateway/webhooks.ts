/** What platforms send to accounts of channels over HTTP: read within limits, passed on, answered with what comes back. */

import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { Blocks } from './blocks.ts';
import type { AccountName, ChannelDesk } from './channels.ts';

/** Bytes of one body, and how long it may take to come. Nobody has shown a credential before it is read. */
const BODY_BYTES_MAX = 1024 * 1024;
const BODY_TIMEOUT_MS = 5_000;
/** Requests that are being read or answered, and memory for the bodies that are being read. */
const REQUESTS_MAX = 256;
const BYTES_MAX = 8 * 1024 * 1024;

/** Reason phrases of the statuses that channels answer with; of others there is none. `node:http` has them all, and takes 25 ms to load. */
const REASONS: Partial<Record<number, string>> = {
  200: 'OK',
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

export class Webhooks {
  readonly #channels: ChannelDesk;
  readonly #blocks = new Blocks(BYTES_MAX);
  #requests = 0;

  constructor(channels: ChannelDesk) {
    this.#channels = channels;
  }

  /** Handles one POST. Everything of `request` is read before this returns. */
  handle(response: HttpResponse, request: HttpRequest): void {
    const reading: Reading = { response, blocks: [], bytes: 0, timer: undefined, alive: true, closed: false };
    response.onAborted(() => {
      reading.alive = false;
      if (!reading.closed && reading.timer !== undefined) this.#leave(reading);
    });
    const name = { channel: request.getParameter(0) ?? '', account: request.getParameter(1) ?? '' };
    const refusal = this.#refusal(name, Number(request.getHeader('content-length')));
    if (refusal !== undefined) {
      refuse(reading, refusal);
      return;
    }
    const headers = new Map<string, string>();
    request.forEach((key, value) => void headers.set(key, value));
    const method = request.getMethod().toUpperCase();
    this.#requests += 1;
    reading.timer = setTimeout(() => this.#cut(reading, '408 Request Timeout'), BODY_TIMEOUT_MS);
    response.onData((chunk, last) => {
      if (reading.closed) return;
      if (reading.bytes + chunk.byteLength > BODY_BYTES_MAX) this.#cut(reading, '413 Payload Too Large');
      else if (!this.#blocks.append(reading.blocks, reading.bytes, new Uint8Array(chunk))) {
        this.#cut(reading, '503 Service Unavailable');
      } else {
        reading.bytes += chunk.byteLength;
        if (last) void this.#answer(reading, name, { method, headers, body: this.#bodyOf(reading) });
      }
    });
  }

  /** Why a request is not even read. */
  #refusal(name: AccountName, announcedBytes: number): string | undefined {
    if (!this.#channels.hasWebhook(name)) return '404 Not Found';
    if (announcedBytes > BODY_BYTES_MAX) return '413 Payload Too Large';
    return this.#requests >= REQUESTS_MAX ? '503 Service Unavailable' : undefined;
  }

  /** Never rejects. */
  async #answer(reading: Reading, name: AccountName, request: Parameters<ChannelDesk['webhook']>[1]) {
    clearTimeout(reading.timer);
    reading.closed = true;
    const answer = await this.#channels.webhook(name, request);
    this.#leave(reading);
    if (answer === undefined) return refuse(reading, '503 Service Unavailable');
    if (!reading.alive) return;
    reading.response.cork(() => {
      reading.response.writeStatus(`${answer.status} ${REASONS[answer.status] ?? ''}`);
      if (answer.contentType !== undefined) reading.response.writeHeader('content-type', answer.contentType);
      reading.response.end(answer.body ?? '');
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
function refuse(reading: Reading, status: string): void {
  if (!reading.alive) return;
  reading.alive = false;
  reading.response.cork(() => reading.response.writeStatus(status).end('', true));
}
