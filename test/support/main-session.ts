import { MAIN } from './valid-requests.ts';
import type { WireClient } from './wire-client.ts';

/** Makes the main session and says something in it, so that there is something to be damaged. */
export async function fillMainSession(client: WireClient): Promise<void> {
  await client.runEnd((await client.ask('message.send', { text: 'before' })).message);
}

/** What a request that was refused must not have changed. */
export async function mainSessionState(client: WireClient) {
  const { shards } = await client.ask('status');
  return {
    session: await client.ask('session.get', { session: MAIN }),
    history: await client.ask('session.history', { session: MAIN }),
    sessions: shards.map(({ sessions }) => sessions),
    restarts: shards.map(({ restarts }) => restarts),
  };
}
