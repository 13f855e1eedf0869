/** Goal: every chat of a channel has its own session, and a person of several channels one for all. Method: pure. */
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { createPlace } from '../../src/inbound/place.ts';
import type { ConfigInput } from '../support/gateway.ts';

const place = (config: ConfigInput = {}) => createPlace(configSchema.parse(config));
const on = { platform: 'telegram', account: 'default' };
const sender = { id: '7', name: 'Ada', bot: false };
const dm = { chat: { id: '123', type: 'dm' as const }, sender, surroundings: {} };
const group = { chat: { id: '-100', type: 'group' as const }, sender, surroundings: {} };

describe('the session of a chat', () => {
  it('is of the chat, its thread, and of an account that is not the usual one', () => {
    const of = place();
    expect(of(on, dm)).toBe('agent:main:dm:telegram:123');
    expect(of(on, group)).toBe('agent:main:group:telegram:-100');
    expect(of(on, { ...group, chat: { ...group.chat, thread: '5' } })).toBe('agent:main:group:telegram:-100%2F5');
    expect(of({ ...on, account: 'work' }, dm)).toBe('agent:main:dm:telegram:work%40123');
  });

  it('is one for a person of several channels, in direct chats only', () => {
    const of = place({ identities: [{ name: 'ada', peers: ['telegram:7', 'discord/work:8'] }] });
    const person = 'agent:main:dm:person:ada';
    expect(of(on, dm)).toBe(person);
    expect(of({ platform: 'discord', account: 'work' }, { ...dm, sender: { ...sender, id: '8' } })).toBe(person);
    expect(of({ platform: 'discord', account: 'other' }, { ...dm, sender: { ...sender, id: '8' } })).not.toBe(person);
    expect(of(on, group)).toBe('agent:main:group:telegram:-100');
  });

  it('is with the agent that the bindings choose: by person, group, topic, server, account', () => {
    const agents = { main: {}, a: {}, b: {}, c: {}, d: {}, e: {} };
    const of = place({
      agents,
      bindings: [
        { match: { peer: '7' }, agent: 'a' },
        { match: { peer: '-100/5' }, agent: 'b' },
        { match: { parentPeer: '-100' }, agent: 'c' },
        { match: { guild: 'g1' }, agent: 'd' },
        { match: { channel: 'telegram', account: 'work' }, agent: 'e' },
      ],
    });
    const agentOf = (key: string) => key.split(':')[1];
    expect(agentOf(of(on, dm))).toBe('a');
    expect(agentOf(of(on, group))).toBe('main');
    expect(agentOf(of(on, { ...group, chat: { ...group.chat, thread: '5' } }))).toBe('b');
    expect(agentOf(of(on, { ...group, chat: { ...group.chat, thread: '6' } }))).toBe('c');
    expect(agentOf(of(on, { ...group, surroundings: { guild: 'g1' } }))).toBe('d');
    expect(agentOf(of({ ...on, account: 'work' }, group))).toBe('e');
  });

  it('refuses ids that make a key too long', () => {
    expect(() => place()(on, { ...dm, chat: { ...dm.chat, id: 'x'.repeat(300) } })).toThrow(/256/);
  });
});
