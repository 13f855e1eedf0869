/**
 * Scorecard row 18, session isolation: what is said in one place is in no other, neither in its session's transcript, nor in the
 * events of its subscribers, nor in the answers of its chat. Method: every pair of places has sessions of its own (a property),
 * and traffic over two channels, with people who are in many chats at once, in which every message has a word of its own. The
 * offline model repeats what it is told, and what came before it. Recall from memory is not part of it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPlace } from '../../src/inbound/place.ts';
import { localGateway } from '../support/gateway.ts';
import { freePort, Line, lineConfig, writeLineChannel } from '../support/line-channel.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { until } from '../support/wait.ts';

const PEOPLE = ['ada', 'bob', 'cleo'];
const ROUNDS = 4;

describe('places', () => {
  /** Ids as platforms have them: none has a slash, and accounts are words that begin with a letter. */
  const id = fc.stringMatching(/^-?[A1]{1,2}(@g\.us)?$/);
  const place = fc.record({
    platform: fc.constantFrom('telegram', 'slack', 'whatsapp'),
    account: fc.constantFrom('default', 'work', 'home'),
    type: fc.constantFrom('dm' as const, 'group' as const),
    id,
    thread: fc.option(fc.stringMatching(/^[12]{1,2}(\.[12])?$/), { nil: undefined }),
    sender: fc.constantFrom('a', 'b', 'aa'),
  });
  type Place = typeof place extends fc.Arbitrary<infer T> ? T : never;
  const find = createPlace({ bindings: [], identities: [{ name: 'ada', peers: ['telegram:a', 'slack/work:a'] }] });
  const keyOf = ({ platform, account, type, id, thread, sender }: Place): string =>
    find(
      { platform, account },
      { chat: { id, type, thread }, sender: { id: sender, name: sender, bot: false }, surroundings: {} },
    );
  /** Whether it is a direct chat with the person who shares one session over channels. */
  const isAda = ({ platform, account, type, sender }: Place): boolean =>
    type === 'dm' && sender === 'a' && (platform === 'telegram' || (platform === 'slack' && account === 'work'));
  const nameOf = (one: Place): string =>
    isAda(one) ? 'ada' : JSON.stringify([one.platform, one.account, one.type, one.id, one.thread ?? null]);

  it('have one session exactly where they are the same, whoever speaks, or are the direct chats of one person', () => {
    fc.assert(
      fc.property(place, place, (one, other) => {
        expect(keyOf(one) === keyOf(other)).toBe(nameOf(one) === nameOf(other));
      }),
      { numRuns: 5_000 },
    );
  });
});

/** The channel of the page, in which `dm-…` is a direct chat, `group-…` a group, and `group-…/5` a thread there. */
const places = (source: string): string =>
  source
    .replace(
      "chat: { id, type: 'dm' }",
      "chat: { id: id.split('/')[0], type: id.split('-')[0], ...(id.includes('/') ? { thread: id.split('/')[1] } : {}) }",
    )
    .replace(
      'async send({ chat, text }) {',
      "async send({ chat: at, text }) {\n const chat = { id: at.thread ? at.id + '/' + at.thread : at.id };",
    );

const CHATS = [
  ...PEOPLE.map((name) => `dm-${name}`),
  'group-kitchen',
  'group-garden',
  'group-kitchen/1',
  'group-kitchen/2',
];
const wordsIn = (text: string): string[] => text.match(/\bw[0-9]+x\b/g) ?? [];

it('what is said in a chat is in its own session, events and answers only', async () => {
  const ports = [await freePort(), await freePort()];
  const module = await writeLineChannel(await tempFolder(), places);
  const [line, wire] = ports.map((port) => lineConfig(module, port));
  const gateway = await localGateway({ shards: { count: 2 }, channels: { custom: { line: line!, wire: wire! } } });
  const client = await gateway.connect();
  /** By session: what was said there. */
  const said = new Map<string, Set<string>>();
  const lines = await Promise.all(ports.map((port) => Line.open(port)));
  const sessionOf = (channel: string, chat: string): string =>
    `agent:main:${chat.split('-')[0]}:${channel}:${encodeURIComponent(chat)}`;
  const everywhere = ['line', 'wire'].flatMap((channel, index) =>
    CHATS.map((chat) => ({ line: lines[index]!, chat, session: sessionOf(channel, chat) })),
  );

  let number = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { line, chat, session } of everywhere) {
      const speaks = chat.startsWith('dm-') ? chat.slice(3) : PEOPLE[number % PEOPLE.length]!;
      number += 1;
      const word = `w${number}x`;
      said.set(session, (said.get(session) ?? new Set()).add(word));
      line.say(`${chat} ${speaks}#u${number}: ${word} and what was said before?`);
      // A client of the API with the name of a chat is somebody else, too.
      if (round === 0 && chat === 'dm-ada') {
        const { session: own } = await client.ask('session.create', { user: 'dm-ada' });
        said.set(own.id, new Set(['w0x']));
        await client.ask('message.send', { session: own.id, text: 'w0x' });
      }
    }
    // Each of a client's subscriptions begins while the others talk.
    if (round === 0) {
      await Promise.all(everywhere.map(({ line, chat }) => line.heard(new RegExp(`^${chat} bot: `))));
      for (const { session } of everywhere) await client.ask('subscribe', { session });
    }
  }
  const answers = (one: (typeof everywhere)[number]) =>
    one.line.lines.filter((text) => text.startsWith(`${one.chat} bot: `));
  for (const one of everywhere) {
    await until(15_000, async () => answers(one).length >= ROUNDS || undefined, `the answers in ${one.chat}`);
  }

  for (const one of everywhere) {
    const own = said.get(one.session)!;
    expect(own.size).toBe(ROUNDS);
    for (const answer of answers(one)) expect(wordsIn(answer).filter((word) => !own.has(word))).toEqual([]);
    expect(new Set(answers(one).flatMap(wordsIn))).toEqual(own);
  }
  for (const [session, own] of said) {
    const { entries } = await client.ask('session.history', { session, limit: 100 });
    expect(new Set(entries.flatMap(({ text }) => wordsIn(text)))).toEqual(own);
    const seen = client.events(undefined, session).flatMap(({ data }) => wordsIn(JSON.stringify(data)));
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.filter((word) => !own.has(word))).toEqual([]);
  }
  // A connection that asked for nothing is told nothing.
  const other = await gateway.connect();
  lines[0]!.say('dm-ada ada#last: w999x');
  await lines[0]!.heard(/^dm-ada bot: .*w999x/);
  await other.ask('ping');
  expect(other.events()).toEqual([]);
}, 60_000);
