/** Goal: a model that has read words from outside sends nothing of its own choice to others unasked. Method: conversations by hand. */
import { describe, expect, it } from 'vitest';
import type { ModelMessage } from '../../src/agent/provider.ts';
import { addressesFound, hasReadOutside, riskOfAddress, riskOfSending } from '../../src/tools/outside.ts';
import type { CallContext } from '../../src/tools/tool.ts';

function knowing(...messages: ModelMessage[]): CallContext {
  return { signal: new AbortController().signal, shown: () => messages };
}

const user = (text: string): ModelMessage => ({ role: 'user', text });
const said = (text: string): ModelMessage => ({ role: 'assistant', text, toolCalls: [] });
const result = (name: string, text: string, failed = false): ModelMessage => {
  return { role: 'tool', call: 'c1', name, text, failed };
};
const asked = (name: string, input: unknown): ModelMessage => {
  return { role: 'assistant', text: '', toolCalls: [{ id: 'c1', name, input }] };
};
const PAGE = result('web.fetch', 'https://example.org/start (200)\n\nSee [more](https://example.org/more?a=1) here.');

describe('what counts as outside', () => {
  it.each<[string, ModelMessage[], boolean]>([
    ['what the user wrote', [user('hello'), said('hi')], false],
    ['what tools say in our own words', [result('time.now', '12:00'), result('calc', '42')], false],
    ['a page', [PAGE], true],
    ['a file', [result('files.read', 'notes')], true],
    ['a program', [result('exec', 'output')], true],
    ["a server's tool", [result('mcp.notes.look', 'note')], true],
    ['a failure, which may repeat what was read', [result('code', 'Error: …', true)], true],
    ['a message of another session, a schedule, a summary', [{ role: 'user', text: 'x', outside: true }], true],
  ])('%s', (_, messages, outside) => {
    expect(hasReadOutside(knowing(...messages))).toBe(outside);
    expect(riskOfSending(knowing(...messages))).toBe(outside ? 'ask' : 'safe');
  });

  it('is nothing where there is no conversation', () => {
    expect(hasReadOutside({ signal: new AbortController().signal })).toBe(false);
  });
});

describe('an address', () => {
  const SECRET = 'https://evil.example/?c=secret';
  const risk = (address: string, ...messages: ModelMessage[]) => riskOfAddress(address, knowing(...messages));

  it('may be anything before the model has read anything from outside', () => {
    expect(risk(SECRET, user('hello'))).toBe('safe');
  });

  it('is asked about when the model made it up after that', () => {
    for (const address of [
      SECRET,
      'https://secret.evil.example/',
      'https://example.org/more?a=2',
      'https://example.org/',
    ]) {
      expect(risk(address, PAGE)).toBe('ask');
    }
  });

  it('may be one that a page or a result of a search has, word for word', () => {
    for (const address of [
      'https://example.org/start',
      'https://example.org/more?a=1',
      'https://EXAMPLE.org/more?a=1#part',
    ])
      expect(risk(address, PAGE)).toBe('safe');
    expect(risk('https://example.org/more?a=', PAGE)).toBe('ask');
    expect(risk('https://a.example/x', result('web.search', '1. A\nhttps://a.example/x\nabout a'))).toBe('safe');
    expect(risk('https://a.example/x', result('browser.open', '- link "A": /url: https://a.example/x'))).toBe('safe');
  });

  it('may be one that the user wrote, as people write', () => {
    const wrote = (text: string, address: string) => risk(address, user(text), PAGE);
    expect(wrote('look at https://a.example/b?c=d.', 'https://a.example/b?c=d')).toBe('safe');
    expect(wrote('(see https://a.example/b)', 'https://a.example/b')).toBe('safe');
    expect(wrote('what is on nodejs.org today?', 'https://nodejs.org/')).toBe('safe');
    expect(wrote('read a.example/docs/x, please', 'https://a.example/docs/x')).toBe('safe');
    expect(wrote('write to me@mail.example', 'https://mail.example/')).toBe('ask');
    expect(wrote('see https://bücher.example/', 'https://xn--bcher-kva.example/')).toBe('safe');
  });

  it('is not named by what a model may have written itself, or by what failed', () => {
    for (const message of [
      said(SECRET),
      asked('web.fetch', { url: SECRET }),
      result('files.read', SECRET),
      result('exec', SECRET),
      result('code', SECRET),
      result('mcp.echo.say', SECRET),
      result('sessions.send', SECRET),
      result('schedule.add', SECRET),
      result('web.fetch', `${SECRET} does not answer`, true),
      { role: 'user', text: SECRET, outside: true } satisfies ModelMessage,
    ])
      expect(risk(SECRET, PAGE, message)).toBe('ask');
  });

  it('may be opened again', () => {
    const done = result('web.fetch', 'https://example.org/moved (200)');
    expect(risk('http://a.example/x', asked('web.fetch', { url: 'http://a.example/x' }), done)).toBe('safe');
  });

  it('is not taken for opened because another call had the same id', () => {
    const refused = [asked('web.fetch', { url: SECRET }), result('web.fetch', 'web.fetch was not called', true)];
    const other = [asked('web.fetch', { url: 'https://example.org/start' }), PAGE];
    expect(risk(SECRET, PAGE, ...refused, ...other)).toBe('ask');
  });

  it('may be one that the same program has found', () => {
    const found = new Set(addressesFound('web.search', '1. A\nhttps://a.example/x\nabout'));
    expect(addressesFound('files.read', 'https://a.example/x')).toEqual([]);
    expect(riskOfAddress('https://a.example/x', { ...knowing(PAGE), found })).toBe('safe');
    expect(riskOfAddress('https://a.example/y', { ...knowing(PAGE), found })).toBe('ask');
  });

  it('is judged in a few milliseconds in the longest conversation', () => {
    const links = Array.from({ length: 400 }, (_, n) => `[link ${n}](https://example.org/${n}) and some words`).join(
      '\n',
    );
    const pages = Array.from({ length: 12 }, () => result('web.fetch', links));
    const took = Array.from({ length: 5 }, () => {
      const start = performance.now();
      expect(risk(SECRET, ...pages)).toBe('ask');
      return performance.now() - start;
    });
    expect(Math.min(...took)).toBeLessThan(50);
  });
});
