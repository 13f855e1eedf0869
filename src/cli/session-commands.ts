/** The commands that look at conversations and look after them. */
import { type Command, Option } from 'commander';
import { examples, withClientFlags, withJson } from './command-flags.ts';

/** `dhaavak sessions …`. */
export function addSessions(program: Command): void {
  const sessions = program.command('sessions').description('look at conversations and look after them');
  sessions.addHelpText('after', examples('dhaavak sessions list --type dm', 'dhaavak sessions prune --dry-run'));
  withJson(withClientFlags(sessions.command('list')))
    .description('list sessions')
    .option('--agent <name>', 'of this agent only')
    .option('--type <type>', 'main, group or dm only')
    .option('--channel <name>', 'of this channel only')
    .option('--limit <number>', 'at most so many (default: 100)')
    .addHelpText('after', examples('dhaavak sessions list', 'dhaavak sessions list --json | jq -r .sessions[].id'))
    .action(async (flags) => {
      const { list } = await import('./commands/sessions.ts');
      process.exitCode = await list(flags);
    });
  withJson(withClientFlags(sessions.command('show')))
    .description('show one session')
    .argument('<session>', 'its key')
    .addHelpText('after', examples('dhaavak sessions show agent:main:main'))
    .action(async (key: string, flags) => {
      const { show } = await import('./commands/sessions.ts');
      process.exitCode = await show(key, flags);
    });
  withJson(withClientFlags(sessions.command('reset')))
    .description('begin a conversation anew; its transcript stays')
    .argument('<session>', 'its key')
    .addHelpText('after', examples('dhaavak sessions reset agent:main:main'))
    .action(async (key: string, flags) => {
      const { reset } = await import('./commands/sessions.ts');
      process.exitCode = await reset(key, flags);
    });
  withJson(withClientFlags(sessions.command('delete')))
    .description('delete a session and its transcript for good')
    .argument('<session>', 'its key')
    .option('--yes', 'really')
    .addHelpText('after', examples('dhaavak sessions delete --yes agent:main:dm:api:ada'))
    .action(async (key: string, flags) => {
      const { remove } = await import('./commands/sessions.ts');
      process.exitCode = await remove(key, flags);
    });
  withJson(withClientFlags(sessions.command('search')))
    .description('print the entries of a session in which words stand, oldest first')
    .argument('<session>', 'its key')
    .argument('<words...>', 'what to look for, in any case')
    .addOption(
      new Option('--role <role>', 'of this one only').choices(['user', 'assistant', 'tool', 'reset', 'summary']),
    )
    .option('--since <time>', 'of this time or later, as 2026-01-31')
    .option('--until <time>', 'from before this time')
    .option('--limit <number>', 'at most so many (default: 100)')
    .addHelpText('after', examples('dhaavak sessions search agent:main:main "the red door" --since 2026-01-01'))
    .action(async (key: string, words: string[], flags) => {
      const { search } = await import('./commands/sessions.ts');
      process.exitCode = await search(key, words, flags);
    });
  withJson(withClientFlags(sessions.command('prune')))
    .description('remove the oldest turns of a session, or of all, by sessions.retention or by limits of your own')
    .argument('[session]', 'its key (default: every session)')
    .option('--dry-run', 'say what would go, and change nothing')
    .option('--days <number>', 'turns that ended longer ago go')
    .option('--entries <number>', 'entries that are kept of each session')
    .option('--bytes <number>', 'bytes that are kept of each session')
    .option('--agent <name>', 'of this agent only')
    .option('--type <type>', 'main, group, dm or sub only')
    .option('--channel <name>', 'of this channel only')
    .option('--yes', 'really; needed with limits of your own')
    .addHelpText(
      'after',
      examples('dhaavak sessions prune --dry-run', 'dhaavak sessions prune --dry-run --days 365 --type group'),
    )
    .action(async (key: string | undefined, flags) => {
      const { prune } = await import('./commands/prune.ts');
      process.exitCode = await prune(key, flags);
    });
}

/** `dhaavak export`. */
export function addExport(program: Command): void {
  withClientFlags(program.command('export'))
    .description('write a whole transcript, oldest entry first')
    .argument('<session>', 'its key')
    .addOption(
      new Option('--format <format>', 'jsonl (an entry a line) or markdown (a document to read)')
        .choices(['jsonl', 'markdown'])
        .default('jsonl'),
    )
    .option('--out <file>', 'to this file (default: standard output)')
    .option('--attachments <folder>', 'with its images, as files in this folder')
    .addHelpText(
      'after',
      examples(
        'dhaavak export agent:main:main > main.jsonl',
        'dhaavak export --format markdown --out main.md --attachments main-images agent:main:main',
      ),
    )
    .action(async (key: string, flags) => {
      const { exportTranscript } = await import('./commands/export.ts');
      process.exitCode = await exportTranscript(key, flags);
    });
}
