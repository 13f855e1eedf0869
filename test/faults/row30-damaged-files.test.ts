/**
 * Goal: damage to the store's file crashes nothing and hides nothing but itself (scorecard 30, the store). Method: a gateway that
 * has talked is stopped, its file damaged in one of several ways, and started again. test/storage/damage.test.ts does the same
 * to many more files, without a gateway.
 */
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../src/protocol/messages.ts';
import { type GatewayProcess, gatewayProcess } from '../support/gateway.ts';
import { damageValues, flipBits, placesIn, storeFile } from '../support/store-files.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { MAIN } from '../support/valid-requests.ts';
import type { WireClient } from '../support/wire-client.ts';

const CONFIG = { shards: { count: 1 } };
const SESSIONS = 12;
const TURNS = 12;

/** The whole transcript of a session. */
async function transcript(client: WireClient, session: string): Promise<HistoryEntry[]> {
  return (await client.ask('session.history', { session, limit: 200 })).entries;
}

/** A home in which there has been talk, and who talked. */
async function talkedIn(): Promise<{ home: string; sessions: string[] }> {
  const home = await tempFolder();
  const gateway = await gatewayProcess({ home, config: CONFIG });
  const client = await gateway.connect();
  const sessions = [MAIN];
  while (sessions.length < SESSIONS) {
    sessions.push((await client.ask('session.create', { user: `user-${sessions.length}` })).session.id);
  }
  await Promise.all(
    sessions.map(async (session) => {
      for (let turn = 1; turn <= TURNS; turn++) {
        const { message } = await client.ask('message.send', { session, text: `turn ${turn} of ${session}.` });
        await client.runEnd(message);
      }
    }),
  );
  expect((await gateway.stop()).code).toBe(0);
  return { home, sessions };
}

/** Sees that the gateway does all it should, and returns how many entries of these sessions it still has. */
async function works(gateway: GatewayProcess, sessions: readonly string[]): Promise<number> {
  const client = await gateway.connect();
  let entries = 0;
  for (const session of sessions) {
    const { error } = await client.reply(client.send('session.get', { session }));
    if (error !== undefined) continue; // it is among what was lost
    const lines = await transcript(client, session);
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map(({ seq }) => seq).sort((a, b) => a - b));
    entries += lines.length;
  }
  const { message } = await client.ask('message.send', { session: MAIN, text: 'what is 2+3*4' });
  expect((await client.runEnd(message)).data.status).toBe('ok');
  expect((await fetch(`${gateway.httpUrl}/ready`)).status).toBe(200);
  return entries;
}

describe('damaged values', () => {
  it('are left out of a transcript, which is whole around them, and counted', async () => {
    const { home, sessions } = await talkedIn();
    // What was asked and what was answered, and the session's own record.
    expect(damageValues(storeFile(home), 'entries', `turn 5 of ${MAIN}.`)).toBeGreaterThan(0);
    const user = Buffer.from('\xa4user\xa6user-3', 'latin1'); // in the record, not in its key
    expect(damageValues(storeFile(home), 'sessions', user)).toBe(1);
    const gateway = await gatewayProcess({ home, config: CONFIG });
    const client = await gateway.connect();
    const lines = await transcript(client, MAIN);
    const texts = lines.filter(({ role }) => role === 'user').map(({ text }) => text);
    const others = Array.from({ length: TURNS }, (_, i) => i + 1).filter((turn) => turn !== 5);
    expect(texts).toEqual(others.map((turn) => `turn ${turn} of ${MAIN}.`));
    expect(await works(gateway, sessions)).toBe(SESSIONS * 2 * TURNS - 2);
    const { shards } = await client.ask('status');
    expect(shards[0]?.damaged).toBeGreaterThan(0);
    const { code, stderr } = await gateway.stop();
    expect(code).toBe(0);
    // Told once for each table, however often they are read.
    const told = stderr.split('\n').filter((line) => line.includes('damaged value'));
    expect(told.filter((line) => line.includes('"table":"entries"'))).toHaveLength(1);
    expect(new Set(told).size).toBe(told.length);
  }, 30_000);
});

describe('a damaged file', () => {
  it.each([
    ['bits turned over', (path: string) => flipBits(path, placesIn(path, 25, 3)), 0.5],
    ['its end cut off', (path: string) => truncateSync(path, Math.floor(statSync(path).size * 0.7)), 0],
    ['nothing left', (path: string) => truncateSync(path, 0), 0],
  ])(
    'with %s is set aside, and the gateway goes on with what can be read',
    async (_what, damage, atLeast) => {
      const { home, sessions } = await talkedIn();
      damage(storeFile(home));
      const gateway = await gatewayProcess({ home, config: CONFIG });
      expect(await works(gateway, sessions)).toBeGreaterThanOrEqual(Math.floor(SESSIONS * TURNS * 2 * atLeast));
      const { code, stderr } = await gateway.stop();
      expect(code).toBe(0);
      expect(stderr).toContain('the store was damaged');
      expect(readdirSync(home).filter((name) => /^store\.mdb\.damaged-\w+(\.json)?$/.test(name))).toHaveLength(2);
    },
    30_000,
  );
});
