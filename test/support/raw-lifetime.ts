/** Connections that are held open by whoever has no business with them. */
import { connect } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Lifetime {
  /** Milliseconds from the connection until it was closed. */
  ms: number;
  /** Bytes the kernel took of what was sent. */
  sentBytes: number;
}

/**
 * Sends `text`, then `more` again and again, and resolves when the gateway has closed the connection.
 *
 * @param more what is sent every `everyMs`, or, with 0, as fast as it is taken
 */
export async function lifetime(httpUrl: string, text: string, more = '', everyMs = 200): Promise<Lifetime> {
  const { hostname, port } = new URL(httpUrl);
  const socket = connect(Number(port), hostname);
  const start = performance.now();
  socket.on('error', () => {}).on('data', () => {});
  const send = (): void => {
    while (!socket.destroyed && socket.write(more) && everyMs === 0);
  };
  const timer = more !== '' && everyMs > 0 ? setInterval(send, everyMs) : undefined;
  if (more !== '' && everyMs === 0) socket.on('drain', send).once('connect', send);
  onTestFinished(() => {
    clearInterval(timer);
    socket.destroy();
  });
  socket.write(text);
  await new Promise((resolve) => socket.once('close', resolve)); // a reset is a close, too
  clearInterval(timer);
  return { ms: performance.now() - start, sentBytes: socket.bytesWritten - socket.writableLength };
}
