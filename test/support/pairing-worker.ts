/** A thread with a store of its own, in which so many people ask to be let in at once as soon as it is told to. */
import { parentPort, workerData } from 'node:worker_threads';
import { Pairing, type PairingAnswer } from '../../src/inbound/pairing.ts';
import { Store } from '../../src/storage/store.ts';

/** What the thread is started with. */
export interface PairingWorkerData {
  home: string;
  /** The platform's ids of those who ask. */
  users: string[];
}

const { home, users } = workerData as PairingWorkerData;
const store = new Store(home);
const pairing = new Pairing({ table: store.pairing, now: Date.now });

parentPort?.once('message', async () => {
  const ask = (id: string) => pairing.request('telegram', 'default', { id, name: `Person ${id}`, bot: false });
  const answers: PairingAnswer[] = await Promise.all(users.map(ask));
  await store.close();
  parentPort?.postMessage(answers);
});
parentPort?.postMessage('ready');
