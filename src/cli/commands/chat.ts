/**
 * A conversation in the terminal. Each line is a message; the answer is printed as it comes. With a pipe as input there
 * is no prompt, and the exit code says whether every run went well.
 */
import { createInterface, type Interface } from 'node:readline';
import type { Client, Run } from '../../client/client.ts';
import type { RunStatus } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT, report } from '../exit.ts';
import { type Images, readImages } from '../image-files.ts';
import { RunPrinter } from '../run-printer.ts';
import { dim } from '../terminal.ts';

interface ChatFlags extends ClientFlags {
  session?: string;
}

const HELP = `/help   this
/image  with a file: that image goes with your next message
/quit   leave; so does Ctrl-D, or Ctrl-C at an empty prompt
Ctrl-C  cancels the answer that is being written
Anything else is sent to the agent.`;

/** Returns the exit code once the person leaves or the input ends. */
export async function chat({ session, ...flags }: ChatFlags): Promise<number> {
  const { client, url } = await connectToGateway(flags);
  await using _ = client;
  // Awaited here: the connection is closed on the way out.
  return await new Conversation(client, session).hold(url);
}

class Conversation {
  readonly #client: Client;
  readonly #session: string | undefined;
  readonly #interactive = process.stdin.isTTY && process.stdout.isTTY;
  readonly #lines: Interface;
  /** What goes with the next message, and the files it is from. */
  #images: Images | undefined;
  #files: readonly string[] = [];
  /** The run whose answer is being printed. */
  #run: Run | undefined;

  constructor(client: Client, session: string | undefined) {
    this.#client = client;
    this.#session = session;
    this.#lines = createInterface({
      input: process.stdin,
      ...(this.#interactive ? { output: process.stdout } : {}),
      terminal: this.#interactive,
      prompt: '> ',
    });
  }

  async hold(url: string): Promise<number> {
    const interrupt = (): void => this.#interrupt();
    this.#lines.on('SIGINT', interrupt); // Ctrl-C in a terminal is a key,
    process.on('SIGINT', interrupt); // from elsewhere it is a signal
    let closed = false;
    void this.#client.closed.then(() => {
      closed = true;
      this.#lines.close();
    });
    try {
      if (this.#interactive) console.log(dim(`Talking to ${url}; /help for help.`, process.stdout));
      const failed = await this.#converse();
      if (closed) throw new CliError('The gateway closed the connection.', EXIT.failed);
      return failed && !this.#interactive ? EXIT.failed : EXIT.ok;
    } finally {
      process.off('SIGINT', interrupt);
      this.#lines.close();
    }
  }

  /** Until the input ends. Returns whether a run did not end well. */
  async #converse(): Promise<boolean> {
    let failed = false;
    this.#prompt();
    for await (const line of this.#lines) {
      const text = line.trim();
      if (text === '/quit') break;
      const [, file] = /^\/image\s+(.+)$/.exec(text) ?? [];
      if (text === '/help' || text === '/image') console.log(HELP);
      else if (file !== undefined) failed = !(await this.#add(file)) || failed;
      else if (text !== '' && (await this.#say(text)) !== 'ok') failed = true;
      this.#prompt();
    }
    return failed;
  }

  async #say(text: string): Promise<RunStatus> {
    const printer = new RunPrinter(process.stdout, process.stdout);
    let status: RunStatus = 'failed';
    this.#run = this.#client.run({ session: this.#session, text, attachments: this.#images });
    this.#images = undefined;
    this.#files = [];
    try {
      for await (const event of this.#run) {
        printer.print(event);
        if (event.type === 'run.end') status = event.data.status;
      }
      return status;
    } finally {
      this.#run = undefined;
    }
  }

  /** Takes an image for the next message, if it can go with those before. Returns whether it did. */
  async #add(file: string): Promise<boolean> {
    const files = [...this.#files, file];
    try {
      this.#images = await readImages(files);
    } catch (error) {
      report(error);
      return false;
    }
    this.#files = files;
    if (this.#interactive) console.log(dim(`${file} goes with your next message.`, process.stdout));
    return true;
  }

  #prompt(): void {
    if (this.#interactive) this.#lines.prompt();
  }

  /** Ctrl-C: cancels the run; without one, empties the line; with an empty line, leaves. */
  #interrupt(): void {
    if (this.#run) {
      this.#run.cancel();
    } else if (this.#lines.line) {
      this.#lines.write(null, { ctrl: true, name: 'e' });
      this.#lines.write(null, { ctrl: true, name: 'u' });
    } else {
      this.#lines.close();
    }
  }
}
