/** The tests' OpenAI-compatible server alone in a process: answers everything in five pieces. Prints its port. */
import { startOpenAiServer } from '../../test/support/openai-server.ts';

const pieces = ['An answer ', 'of the usual ', 'length, which ', 'arrives in ', 'five pieces.'];
const { url } = await startOpenAiServer({ record: false, reply: { text: pieces } });
console.log(new URL(url).port);
