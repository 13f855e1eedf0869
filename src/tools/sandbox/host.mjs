// @ts-check
/**
 * The process in which guests run: `node … host.mjs <addon> <memoryMb> <rssMaxMb>`, started by `host-process.ts`. It reads
 * orders from its standard input and answers on its standard output, and ends when its input does.
 *
 * Plain JavaScript: Node's type stripper needs WebAssembly, which this process is started without, 18 MB and 60 ms. It has
 * no permission to read a file but these and the addon, and so loads the addon by its path.
 *
 * Guests run on isolated-vm's threads, so this one is always free to stop them.
 *
 * @import { Death, FromHost, ToHost } from './messages.ts'
 */
import { Guest, makeCell } from './guest.mjs';
import { JsonLines, LINE_LENGTH_MAX } from './lines.mjs';

/** How often guests are looked at. */
const LOOK_MS = 10;

const [addonPath = '', memoryMb, rssMaxMb] = process.argv.slice(2);
/** @type {{ exports: { ivm?: typeof import('isolated-vm') } }} */
const addon = { exports: {} };
process.dlopen(addon, addonPath);
const ivm = /** @type {typeof import('isolated-vm')} */ (addon.exports.ivm);

/** @type {Map<number, Guest>} */
const guests = new Map();
/** Programs whose isolate is not there yet. One that is cancelled by then is not among them any more. @type {Set<number>} */
const coming = new Set();
/** The next guest's isolate, made while nobody waits for it. @type {Promise<import('./guest.mjs').Cell> | undefined} */
let spare = cell();
/** @type {NodeJS.Timeout | undefined} */
let looks;

function cell() {
  const made = makeCell(ivm, Number(memoryMb), () => die('catastrophe'));
  made.catch(() => {}); // whoever takes it is told
  return made;
}

/** Says why and ends. Not by an orderly exit, which waits for threads that nothing stops. @param {Death} why */
function die(why) {
  tell({ type: 'dying', why }, () => process.kill(process.pid, 'SIGKILL'));
}

/** @param {FromHost} message @param {() => void} [written] */
function tell(message, written) {
  process.stdout.write(`${JSON.stringify(message)}\n`, written);
}

/** @param {Extract<ToHost, { type: 'run' }>} order */
async function run({ job, program }) {
  const taken = spare ?? cell();
  spare = undefined;
  coming.add(job);
  const made = await taken;
  if (!coming.delete(job)) {
    if (spare === undefined) spare = taken;
    else made.isolate.dispose();
    tell({ type: 'end', job, rssMb: rssMb(), ending: { status: 'cut', cut: 'cancelled', lateMs: 0 } });
    return;
  }
  const guest = new Guest(made, program, {
    call: (call, name, input) => tell({ type: 'call', job, call, name, input }),
    console: (text) => tell({ type: 'console', job, text }),
    end: (ending) => {
      guests.delete(job);
      if (guests.size === 0) looks = void clearInterval(looks);
      tell({ type: 'end', job, rssMb: rssMb(), ending });
      spare ??= cell();
    },
    isAlone: () => guests.size === 0,
    stuck: () => die('stuck'),
  });
  guests.set(job, guest);
  looks ??= setInterval(look, LOOK_MS);
}

/** @param {number} job */
function cancel(job) {
  if (!coming.delete(job)) guests.get(job)?.cut('cancelled');
}

function look() {
  for (const guest of guests.values()) guest.look();
  // Memory that V8 does not count, or has not yet: whose it is can't be told, so the process goes.
  if (rssMb() > Number(rssMaxMb)) die('memory');
}

function rssMb() {
  return Math.round(process.memoryUsage.rss() / 1_048_576);
}

/** @param {ToHost} order */
function obey(order) {
  if (order.type === 'run') void run(order);
  else if (order.type === 'answer') guests.get(order.job)?.answer(order.call, order.failed, order.json, order.text);
  else if (order.type === 'cancel') cancel(order.job);
  else tell({ type: 'pong' });
}

const lines = new JsonLines(LINE_LENGTH_MAX);
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  try {
    for (const order of lines.push(String(text))) obey(order);
  } catch {
    die('protocol');
  }
});
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL'));
process.stdout.on('error', () => process.kill(process.pid, 'SIGKILL'));
await spare;
tell({ type: 'ready' });
