import type { Command } from 'commander';
import { collected, examples, withClientFlags, withJson } from './command-flags.ts';

/** `dhaavak memory …`: the commands and their flags. */
export function addMemory(program: Command): void {
  const memory = program.command('memory').description('what agents remember: look, save, forget');
  memory.addHelpText(
    'after',
    examples(
      'dhaavak memory search "what the shed is painted with" --session agent:main:dm:telegram:123',
      'dhaavak memory save --reach agent We close at six on Fridays.',
      'dhaavak memory facts',
      'dhaavak memory status',
      'dhaavak memory forget 01KAXW3Z8M4T5Y6Q7R8S9T0V1W',
    ),
  );
  const command = (name: string): Command =>
    withJson(withClientFlags(memory.command(name))).option('--agent <agent>', 'whose memory (default: main)');
  command('search')
    .description('search what was said and saved, by words and by meaning')
    .argument('<query...>', 'what it is about')
    .option('--session <key>', 'only what this session may recall')
    .option('--kind <kind>', 'user, assistant, tool, summary or fact, again for each', collected)
    .option('--channel <channel>', 'only what came over it')
    .option('--sender <sender>', 'only what they said: telegram:123')
    .option('--after <time>', 'only from then on: 2026-11-01')
    .option('--before <time>', 'only before that')
    .option('--limit <number>', 'at most so many, up to 50 (default: 10)')
    .action(async (words: string[], flags) => {
      process.exitCode = await (await import('./commands/memory.ts')).search(words.join(' '), flags);
    });
  command('facts')
    .description('list what an agent was told to remember')
    .option('--limit <number>', 'at most so many (default: 100)')
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/memory.ts')).facts(flags);
    });
  command('save')
    .description('have it remember something')
    .argument('<text...>', 'what')
    .option('--session <key>', 'for whom (default: the main session)')
    .option('--reach <reach>', 'who recalls it: session, owner or agent (default: owner)')
    .action(async (words: string[], flags) => {
      process.exitCode = await (await import('./commands/memory.ts')).save(words.join(' '), flags);
    });
  command('forget')
    .description('have it forget a fact')
    .argument('<fact>', 'its id, as the list has it')
    .action(async (fact: string, flags) => {
      process.exitCode = await (await import('./commands/memory.ts')).forget(fact, flags);
    });
  withJson(withClientFlags(memory.command('status')))
    .description('show how many entries can be found, and how many are yet to be taken in')
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/memory.ts')).status(flags);
    });
  withJson(withClientFlags(memory.command('rebuild')))
    .description('make anew what entries are found by, from the transcripts')
    .argument('[agent]', 'of whom (default: of all agents)')
    .action(async (agent: string | undefined, flags) => {
      process.exitCode = await (await import('./commands/memory.ts')).rebuild(agent, flags);
    });
}
