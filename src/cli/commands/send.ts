import type { Run } from '../../client/client.ts';
import type { WireError } from '../../protocol/errors.ts';
import type { RunStatus, Usage } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { readImages } from '../image-files.ts';
import { RunPrinter } from '../run-printer.ts';

interface SendFlags extends ClientFlags {
  session?: string;
  /** Files. */
  image?: string[];
  json?: true;
}

/** The gateway itself answers within a minute. */
const SEND_TIMEOUT_MS = 65_000;

/** What `--json` prints. `text` is the whole answer, or what there is of it when the run did not end well. */
interface Answer {
  session: string;
  message: string;
  status: RunStatus;
  text: string;
  usage: Usage;
  error?: WireError;
}

/** Sends one message and prints the answer as it comes, or as one JSON object at the end. Returns the exit code. */
export async function send(text: string, { session, image, json, ...flags }: SendFlags): Promise<number> {
  const attachments = image && (await readImages(image));
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const run = client.run({ session, text, attachments });
  // Once: a second Ctrl-C ends the program the hard way.
  process.once('SIGINT', () => run.cancel());
  const status = json ? await printJson(run) : await print(run);
  return status === 'ok' ? EXIT.ok : EXIT.failed;
}

/** Sends one message to a chat of a channel. Returns the exit code once it is there; throws what went wrong. */
export async function sendTo(to: string, text: string, { session: _, json, ...flags }: SendFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using __ = client;
  const data = { to, text, idempotencyKey: crypto.randomUUID() };
  const sent = await client.request('channel.send', data, { timeoutMs: SEND_TIMEOUT_MS });
  console.log(json ? JSON.stringify(sent) : `sent to ${to}`);
  return EXIT.ok;
}

async function print(run: Run): Promise<RunStatus> {
  const printer = new RunPrinter(process.stdout, process.stderr);
  let status: RunStatus = 'failed';
  for await (const event of run) {
    printer.print(event);
    if (event.type === 'run.end') status = event.data.status;
  }
  return status;
}

async function printJson(run: Run): Promise<RunStatus> {
  let text = '';
  let status: RunStatus = 'failed';
  for await (const { type, data } of run) {
    if (type === 'tool.start') text = '';
    else if (type === 'message.delta') text += data.text;
    else if (type === 'message.outbound') text = data.text;
    else if (type === 'run.end') {
      const { session, message, usage, error } = data;
      status = data.status;
      const answer: Answer = { session, message, status, text, usage, ...(error ? { error } : {}) };
      console.log(JSON.stringify(answer));
    }
  }
  return status;
}
