/**
 * The host of commands: a small process beside a shard, which starts and watches them. Starting a process copies the page
 * tables of the one that starts it and stops all of its threads meanwhile: 50 ms and more in a gateway with 1.5 GB of
 * memory, 2 ms here. And when the gateway is killed, the host sees the channel close and ends what it has started.
 */
import type { HostLimits, HostReply, HostRequest } from './command.ts';
import { Processes } from './processes.ts';
import { Sandbox } from './sandbox.ts';

type Call = Extract<HostRequest, { number: number; type: 'run' | 'start' | 'poll' | 'list' | 'kill' }>;

const processes = new Processes(JSON.parse(process.argv[2] as string) as HostLimits, new Sandbox());
/** Of the runs whose requests may be cancelled, by request: also after a background process was started. */
const cancels = new Map<number, AbortController>();
/** Requests whose run may still be cancelled, the oldest forgotten first. */
const CANCELS_MAX = 10_000;

process.on('message', (message) => take(message as HostRequest));
process.on('disconnect', () => void end(0));
process.on('uncaughtException', (error) => {
  console.error('the host of commands failed:', error);
  void end(1);
});

function take(request: HostRequest): void {
  if (request.type === 'cancel') {
    cancels.get(request.number)?.abort();
    cancels.delete(request.number);
  } else if (request.type === 'endSession') processes.endSession(request.session);
  else if (request.type === 'close') void end(0);
  else void answer(request);
}

async function answer(call: Call): Promise<void> {
  const { number } = call;
  const cancel = new AbortController();
  cancels.set(number, cancel);
  let reply: HostReply;
  try {
    reply = { number, text: await perform(call, cancel.signal) };
  } catch (error) {
    reply = { number, problem: error instanceof Error ? error.message : String(error) };
  }
  if (call.type !== 'start') cancels.delete(number);
  else for (const oldest of cancels.keys()) if (cancels.size > CANCELS_MAX) cancels.delete(oldest);
  if (process.connected) process.send?.(reply);
}

async function perform(call: Call, signal: AbortSignal): Promise<string> {
  switch (call.type) {
    case 'run':
      return processes.run(call.command, signal);
    case 'start':
      return processes.start(call.command, signal);
    case 'poll':
      return processes.poll(call.id, call.waitMs, signal);
    case 'list':
      return processes.list(call.session);
    case 'kill':
      return processes.kill(call.id);
  }
}

async function end(code: number): Promise<void> {
  await processes.close();
  process.exit(code);
}
