/**
 * An adapter alone in a process. Arguments: the URL of its module, its settings as JSON, the folder it keeps. Prints as JSON
 * how long it took from the import until it was ready, and the memory that added.
 */
import { pino } from 'pino';
import type { Adapter, AdapterContext } from '../../src/channels/adapter.ts';
import { residentMb } from './process-stats.ts';
import { settled } from './started-adapter.ts';

const [url, settings, folder] = process.argv.slice(2) as [string, string, string];
const log = pino({ level: 'error' });
const context = { account: 'default', folder, log, signal: new AbortController().signal };
const before = residentMb(process.pid);
const startedAt = performance.now();
const module = (await import(url)) as { createAdapter(settings: unknown, context: AdapterContext): Adapter };
const adapter = module.createAdapter(JSON.parse(settings), context);
await settled(adapter, log);
const readyMs = performance.now() - startedAt;
console.log(JSON.stringify({ readyMs, addedMb: residentMb(process.pid) - before }));
await adapter.stop();
process.exit();
