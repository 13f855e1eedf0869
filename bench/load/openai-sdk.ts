/** Streams answers through the bare OpenAI SDK, `argv[3]` at once for four seconds; prints answers a second. */
import OpenAI from 'openai';
import { OPENAI_KEY, OPENAI_MODEL } from '../../test/support/openai-server.ts';

const [baseURL, atOnce] = [process.argv[2] as string, Number(process.argv[3])];
const client = new OpenAI({ apiKey: OPENAI_KEY, baseURL });
let answers = 0;

async function ask(until: number): Promise<void> {
  while (performance.now() < until) {
    const messages = [{ role: 'user' as const, content: 'hello there' }];
    const stream = await client.chat.completions.create({ model: OPENAI_MODEL, messages, stream: true });
    for await (const _ of stream);
    answers++;
  }
}

const askAll = (ms: number) => Promise.all(Array.from({ length: atOnce }, () => ask(performance.now() + ms)));
await askAll(1_000);
answers = 0;
const startedAt = performance.now();
await askAll(4_000);
console.log((answers / (performance.now() - startedAt)) * 1_000);
