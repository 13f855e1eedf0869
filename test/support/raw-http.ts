/** HTTP by hand over TCP, for heads and bodies that no HTTP library would send. */
import { connect } from 'node:net';
import { onTestFinished } from 'vitest';
import { within } from './wait.ts';

export interface RawHttpOptions {
  /** All of it, as it is sent. */
  text: string;
  /** Loopback addresses other than 127.0.0.1 count as other clients. */
  localAddress?: string;
}

/** Sends `text` and returns the status of the answer, 0 when the connection was closed without one. */
export async function rawHttp(httpUrl: string, { text, localAddress = '127.0.0.1' }: RawHttpOptions): Promise<number> {
  const { hostname, port } = new URL(httpUrl);
  const socket = connect({ port: Number(port), host: hostname, localAddress });
  onTestFinished(() => void socket.destroy());
  let answer = '';
  const answered = new Promise<number>((resolve) => {
    const done = (): void => resolve(Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0));
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk;
      if (answer.includes('\r\n\r\n')) done();
    });
    socket.on('error', () => {}).on('close', done);
  });
  socket.write(text, 'latin1');
  const status = await within(20_000, answered, () => `an answer to ${JSON.stringify(text.slice(0, 200))}`);
  socket.destroy();
  return status;
}

/** The head of a request, `headers` being whole lines. */
export function head(path: string, headers: readonly string[], method = 'GET'): string {
  return [`${method} ${path} HTTP/1.1`, ...headers, '', ''].join('\r\n');
}

/** Lines that ask for a WebSocket. */
export const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
