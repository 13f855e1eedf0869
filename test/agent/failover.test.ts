/**
 * Goal: a model that cannot answer costs the user nothing but time, as long as it has said nothing. Method: scripted
 * providers and a clock that stands still; then the real SDKs against servers that fail as the vendors do.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Cooldowns } from '../../src/agent/failover.ts';
import type { RunEvent } from '../../src/agent/loop.ts';
import { createModels } from '../../src/agent/models.ts';
import { configSchema } from '../../src/config/schema.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { ANTHROPIC_KEY, ANTHROPIC_MODEL, startAnthropicServer } from '../support/anthropic-server.ts';
import { OPENAI_KEY, OPENAI_MODEL, startOpenAiServer } from '../support/openai-server.ts';
import type { ModelServer } from '../support/sse.ts';
import {
  call,
  lineOf,
  play,
  run,
  type ScriptedProvider,
  type Step,
  scripted,
  stop,
  text,
  toolCalls,
} from './scripted-run.ts';

const unavailable = new DhaavakError('model_unavailable', 'overloaded');
const good: Step[] = [text('Hello'), stop];

/** A run over providers that each play one script; its events, its end, the providers. */
async function failOver(...scripts: Step[][][]) {
  const providers = scripts.map((turns) => scripted(...turns)) as [ScriptedProvider, ...ScriptedProvider[]];
  const [events, end] = await play(run(providers[0], { models: lineOf(providers), stallMs: 20 }));
  return { events, end, providers, asked: providers.map(({ requests }) => requests.length) };
}

const typesOf = (events: readonly RunEvent[]) => events.map(({ type }) => type);

describe('a model that fails before it has said anything', () => {
  it.each<[string, Step[]]>([
    ['by being unavailable', [unavailable]],
    ['by silence', ['hang']],
    ['in the middle of a tool call', [call('1', 'calc'), unavailable]],
  ])('%s is followed by the next', async (_, failing) => {
    const { events, end, asked } = await failOver([failing], [good]);
    expect(typesOf(events)).toEqual(['model', 'text', 'end']);
    expect(events[0]).toMatchObject({ reference: 'test/1', error: { name: 'DhaavakError' } });
    expect(end).toMatchObject({ status: 'ok', text: 'Hello', usage: { inputTokens: 10, outputTokens: 5 } });
    expect(asked).toEqual([1, 1]);
  });

  it('is followed by one after the other, and the last one’s error is the run’s', async () => {
    const last = new DhaavakError('model_unavailable', 'the last one');
    const { events, end, asked } = await failOver([[unavailable]], [['hang']], [[last]]);
    expect(typesOf(events)).toEqual(['model', 'model', 'end']);
    expect(end).toMatchObject({ status: 'failed', error: { message: 'the last one' } });
    expect(asked).toEqual([1, 1, 1]);
  });

  it('is followed by none when it refused: another would hide what is wrong', async () => {
    const { end, asked } = await failOver([[new DhaavakError('model_rejected', 'bad key')]], [good]);
    expect(end).toMatchObject({ status: 'failed', error: { code: 'model_rejected' } });
    expect(asked).toEqual([1, 0]);
  });

  it('is followed by none when the run was cancelled', async () => {
    const controller = new AbortController();
    const first = scripted(['hang']);
    const second = scripted(good);
    const played = play(run(first, { models: lineOf([first, second]), signal: controller.signal }));
    controller.abort();
    expect((await played)[1].status).toBe('cancelled');
    expect(second.requests).toEqual([]);
  });
});

describe('a model that fails after its first word', () => {
  it.each<[string, Step, string]>([
    ['is unavailable', unavailable, 'model_unavailable'],
    ['stalls', 'hang', 'model_stalled'],
  ])('and %s ends the run: what was said stands', async (_, failing, code) => {
    const { events, end, asked } = await failOver([[text('Hel'), failing]], [good]);
    expect(typesOf(events)).toEqual(['text', 'end']);
    expect(end).toMatchObject({ status: 'failed', text: 'Hel', error: { code } });
    expect(asked).toEqual([1, 0]);
  });
});

describe('in the middle of a tool loop', () => {
  it('the next model is given what the first has done, without its signatures, and keeps the run', async () => {
    const signed: Step = { ...toolCalls, echo: { provider: 'scripted', content: ['signed'] } };
    const { end, providers, asked } = await failOver(
      [[call('1', 'time.now'), signed], [unavailable]],
      [[call('2', 'time.now'), toolCalls], good],
    );
    expect(end).toMatchObject({ status: 'ok', text: 'Hello' });
    expect(asked).toEqual([2, 2]);
    const [handedOver] = providers[1]?.requests ?? [];
    expect(handedOver?.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
    expect(handedOver?.messages[1]).not.toHaveProperty('echo');
    expect(handedOver?.thinkingLevel).toBe('off');
  });
});

describe('a model that failed', () => {
  let now = 0;
  const clock = () => now;

  it('cools down for 30 s, 1 min, then 5 min each time, and starts over once it answers', () => {
    const cooldowns = new Cooldowns(clock);
    const coolsFor = () => {
      cooldowns.failed('m');
      const start = now;
      while (cooldowns.cooling('m')) now += 1_000;
      return now - start;
    };
    expect([coolsFor(), coolsFor(), coolsFor(), coolsFor()]).toEqual([30_000, 60_000, 300_000, 300_000]);
    cooldowns.succeeded('m');
    expect(coolsFor()).toBe(30_000);
    expect(cooldowns.cooling('other')).toBe(false);
  });

  it('cools down as long as its API asks for, an hour at most', () => {
    const cooldowns = new Cooldowns(clock);
    cooldowns.failed('m', 90_000);
    now += 89_999;
    expect(cooldowns.cooling('m')).toBe(true);
    now += 1;
    expect(cooldowns.cooling('m')).toBe(false);
    cooldowns.failed('m', 7 * 86_400_000);
    now += 3_600_000;
    expect(cooldowns.cooling('m')).toBe(false);
  });

  it('counts once, however many runs were waiting for it', () => {
    const cooldowns = new Cooldowns(clock);
    for (let i = 0; i < 10; i += 1) cooldowns.failed('m');
    now += 30_000;
    expect(cooldowns.cooling('m')).toBe(false);
  });

  it('is passed over while it cools, asked again afterwards, and asked all the same when there is no other', () => {
    const cooldowns = new Cooldowns(clock);
    const [a, b] = [scripted(good), scripted(good)];
    cooldowns.failed('test/0');
    expect(lineOf([a, b], cooldowns)).toMatchObject({ current: { reference: 'test/1' }, skipped: ['test/0'] });
    expect(lineOf([a], cooldowns)).toMatchObject({ current: { reference: 'test/0' }, skipped: [] });
    cooldowns.failed('test/1');
    expect(lineOf([a, b], cooldowns)).toMatchObject({ current: { reference: 'test/0' }, skipped: [] });
    now += 30_000;
    expect(lineOf([a, b], cooldowns).current.reference).toBe('test/0');
  });
});

describe('through the vendors’ SDKs', () => {
  let anthropic: ModelServer;
  let openai: ModelServer;
  beforeAll(async () => {
    [anthropic, openai] = await Promise.all([startAnthropicServer(), startOpenAiServer()]);
    // Loading an SDK would count as silence.
    await Promise.all([import('openai'), import('@anthropic-ai/sdk')]);
  });
  afterEach(() => {
    anthropic.reset();
    openai.reset();
  });
  afterAll(() => Promise.all([anthropic.close(), openai.close()]));

  const references = [`anthropic/${ANTHROPIC_MODEL}`, `openai/${OPENAI_MODEL}`] as const;
  const vendors = [
    { first: references[0], second: references[1], servers: () => [anthropic, openai] as const },
    { first: references[1], second: references[0], servers: () => [openai, anthropic] as const },
  ];

  const models = (first: string, second: string) =>
    createModels(
      configSchema.parse({
        models: {
          default: first,
          fallbacks: [second],
          anthropic: { apiKey: ANTHROPIC_KEY, baseUrl: anthropic.url },
          openai: { apiKey: OPENAI_KEY, baseUrl: openai.url },
        },
      }),
    );

  describe.each(vendors)('$first, then $second', ({ first, second, servers }) => {
    const answer = async (all = models(first, second)) => {
      const line = all.line(undefined, undefined);
      return play(run(scripted(), { models: line, stallMs: 500 }));
    };

    it.each([429, 500, 529])('a refusal with %i that goes on is followed by the other', async (status) => {
      const refusal = { status, retryAfterMs: 1 };
      servers()[0].script(refusal, refusal, refusal);
      const [events, end] = await answer();
      expect(events[0]).toMatchObject({ type: 'model', reference: second, error: { code: 'model_unavailable' } });
      expect(end).toMatchObject({ status: 'ok', text: 'Hello there' });
      expect(servers().map(({ requests }) => requests.length)).toEqual([3, 1]);
    });

    it('a Retry-After of over a minute is followed by the other at once, and for that long', async () => {
      servers()[0].script({ status: 429, retryAfterMs: 61_000 });
      const all = models(first, second);
      expect((await answer(all))[1].status).toBe('ok');
      expect((await answer(all))[1].status).toBe('ok');
      expect(servers().map(({ requests }) => requests.length)).toEqual([1, 2]);
    });

    it('silence is followed by the other, and its request is given up', async () => {
      servers()[0].script({ fault: 'silent' });
      const [events, end] = await answer();
      expect(events[0]).toMatchObject({ type: 'model', error: { code: 'model_stalled' } });
      expect(end).toMatchObject({ status: 'ok', text: 'Hello there' });
      await servers()[0].requests[0]?.abandoned;
    });

    it('a stream cut before its first word is followed by the other', async () => {
      servers()[0].script({ toolCalls: [{ name: 'calc', input: { expression: '1+1' } }], fault: 'cut' });
      const [events, end] = await answer();
      expect(typesOf(events)).toEqual(['model', 'text', 'text', 'end']);
      expect(end.status).toBe('ok');
    });

    it('a failure between two turns hands the calls and their results over in the form the other demands', async () => {
      const refusal = { status: 529, retryAfterMs: 1 };
      const asks = { thinking: 'Hm.', toolCalls: [{ name: 'calc', input: { expression: '6*7' } }] };
      servers()[0].script(asks, refusal, refusal, refusal);
      const line = models(first, second).line(undefined, undefined);
      const [events, end] = await play(run(scripted(), { models: line, thinkingLevel: 'low', stallMs: 5_000 }));
      expect(typesOf(events)).toEqual(['calls', 'toolStart', 'toolEnd', 'model', 'text', 'text', 'end']);
      expect(end).toMatchObject({ status: 'ok', text: 'Hello there', usage: { inputTokens: 22, outputTokens: 14 } });
    });

    it('a stream cut after its first word is not: the error stands', async () => {
      servers()[0].script({ text: ['Hello', ' there', ' and', ' more'], fault: 'cut' });
      const [events, end] = await answer();
      expect(typesOf(events)).not.toContain('model');
      expect(end).toMatchObject({ status: 'failed', error: { code: 'model_unavailable' } });
      expect(servers()[1].requests).toEqual([]);
    });
  });
});
