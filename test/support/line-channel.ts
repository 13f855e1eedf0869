/** The line channel of docs/extending.md as a file, and somebody on the line. */
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import type { ConfigInput } from './gateway.ts';
import { until, within } from './wait.ts';

type Channels = NonNullable<ConfigInput['channels']>;
type Custom = NonNullable<Channels['custom']>[string];

const PAGE = new URL('../../docs/extending.md', import.meta.url);

/** The adapter as it stands on the page. */
export async function lineChannelSource(): Promise<string> {
  const page = await readFile(PAGE, 'utf8');
  return /^```js line-channel\.mjs\n([\s\S]*?)^```$/m.exec(page)![1]!;
}

/** Writes an adapter into `folder`: the page's, changed by `change` where a test needs it to misbehave. */
export async function writeLineChannel(folder: string, change = (source: string) => source): Promise<string> {
  const source = await lineChannelSource();
  const changed = change(source);
  const file = join(folder, `line-channel-${Math.random().toString(36).slice(2)}.mjs`);
  await writeFile(file, changed);
  return file;
}

/** A custom channel that lets everybody in. */
export function lineConfig(module: string, port: number, more: Partial<Custom> = {}): Custom {
  return { module, dm: 'open', settings: { port }, ...more };
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Somebody who writes lines and reads what comes. */
export class Line {
  readonly lines: string[] = [];
  readonly #socket: Socket;
  readonly #look = new Set<() => void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
    const lines = createInterface({ input: socket });
    lines.on('error', () => {}); // the socket's, once more
    lines.on('line', (line) => {
      this.lines.push(line);
      for (const look of [...this.#look]) look();
    });
    onTestFinished(() => void socket.destroy());
  }

  /** Connects as soon as somebody listens. */
  static open(port: number): Promise<Line> {
    return until(
      15_000,
      () =>
        new Promise<Line | undefined>((resolve) => {
          const socket = connect(port, '127.0.0.1');
          socket.once('connect', () => resolve(new Line(socket)));
          socket.once('error', () => resolve(undefined));
        }),
      `somebody to listen on ${port}`,
    );
  }

  say(line: string): void {
    this.#socket.write(`${line}\n`);
  }

  /** The first line that matches, as soon as it is there. */
  async heard(pattern: RegExp): Promise<string> {
    const found = new Promise<string>((resolve) => {
      const look = (): void => {
        const line = this.lines.find((one) => pattern.test(one));
        if (line === undefined) return;
        this.#look.delete(look);
        resolve(line);
      };
      this.#look.add(look);
      look();
    });
    return within(15_000, found, () => `${pattern}; there is ${JSON.stringify(this.lines)}`);
  }

  close(): void {
    this.#socket.destroy();
  }
}
