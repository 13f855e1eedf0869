/** Imports the modules of a trusted plugin, says whether that works, and is ended. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ProbedModule } from './probe.ts';
import { exported, importTrusted, messageOf } from './trusted.ts';

try {
  for (const { url, exports } of workerData as ProbedModule[]) {
    const module = await importTrusted({ url });
    for (const name of exports) exported(module, name);
  }
  parentPort?.postMessage({});
} catch (error) {
  parentPort?.postMessage({ reason: messageOf(error) });
}
