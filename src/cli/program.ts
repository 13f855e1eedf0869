/** The commands, their flags and their help. Each command is loaded when it is used. */
import { Command, Option } from 'commander';
import { VERSION } from '../version.ts';
import { collected, examples, withClientFlags, withGatewayFlags, withJson } from './command-flags.ts';
import { EXIT, report } from './exit.ts';
import { addMemory } from './memory-commands.ts';
import { addPlugins } from './plugin-commands.ts';
import { addExport, addSessions } from './session-commands.ts';

const HELP = `
Exit codes:
  ${EXIT.ok}  done
  ${EXIT.failed}  the run failed or was cancelled, or the gateway could not start
  ${EXIT.usage}  wrong flags, arguments or configuration
  ${EXIT.unreachable}  no gateway answers, or it does not let this client in

Variables: DHAAVAK_CONFIG, DHAAVAK_HOME, DHAAVAK_HOST, DHAAVAK_LOG_LEVEL, DHAAVAK_PORT and DHAAVAK_TOKEN
stand for the flags of the same names; NO_COLOR turns colours off.`;

/** Runs the command in `argv` (as in `process.argv`) and sets the exit code. Never rejects. */
export async function run(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', leaveOnClosedPipe);
  try {
    await createProgram().parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

function createProgram(): Command {
  const program = new Command('dhaavak')
    .description('A self-hosted AI-agent gateway')
    .version(VERSION, '-v, --version')
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', HELP);
  addStart(program);
  addChat(program);
  addSend(program);
  addStatus(program);
  addTokens(program);
  addSessions(program);
  addExport(program);
  addApprovals(program);
  addSandbox(program);
  addDeadLetters(program);
  addSchedules(program);
  addMemory(program);
  addMcp(program);
  addPlugins(program);
  addChannels(program);
  addPairing(program);
  addAllow(program);
  addConfig(program);
  addDoctor(program);
  addBackup(program);
  addResume(program);
  return program;
}

function addStart(program: Command): void {
  withGatewayFlags(program.command('start'))
    .description('run the gateway until SIGTERM or Ctrl-C')
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent')
    .addHelpText('after', examples('dhaavak start', 'dhaavak start --port 0 --home /var/lib/dhaavak'))
    .action(async (flags) => {
      const { start } = await import('./commands/start.ts');
      process.exitCode = await start(flags);
    });
}

function addChat(program: Command): void {
  withClientFlags(program.command('chat'))
    .description('talk to an agent; Ctrl-C cancels the answer, Ctrl-D leaves; from a pipe each line is a message')
    .option('--session <key>', 'session to talk in (default: the main session)')
    .addHelpText('after', examples('dhaavak chat', 'echo "What time is it?" | dhaavak chat'))
    .action(async (flags) => {
      const { chat } = await import('./commands/chat.ts');
      process.exitCode = await chat(flags);
    });
}

function addSend(program: Command): void {
  withClientFlags(program.command('send'))
    .description('send one message to an agent and print the answer, or with --to one to a chat')
    .argument('<text...>', 'the message')
    .option('--session <key>', 'session to send to (default: the main session)')
    .option('--to <chat>', 'chat of a channel to send to: telegram:123, telegram/work:123; no agent is asked')
    .addOption(
      new Option('--image <file>', 'image to send with it, again for each: up to 4, PNG, JPEG, WebP or GIF')
        .argParser(collected)
        .conflicts('to'),
    )
    .option('--json', 'print one JSON object: session, message, status, text, usage, error')
    .addHelpText(
      'after',
      examples(
        'dhaavak send What is 6 * 7?',
        'dhaavak send --image before.png --image after.png "What has changed?"',
        'dhaavak send --json "hello" | jq .usage',
        'dhaavak send --to telegram:123 "dinner is ready"',
      ),
    )
    .action(async (words: string[], { to, ...flags }) => {
      const { send, sendTo } = await import('./commands/send.ts');
      const text = words.join(' ');
      process.exitCode = await (to === undefined ? send(text, flags) : sendTo(to, text, flags));
    });
}

function addStatus(program: Command): void {
  withClientFlags(program.command('status'))
    .description('show how the gateway and its shards are doing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('dhaavak status', 'dhaavak status --json --url ws://10.0.0.5:18789/ws'))
    .action(async (flags) => {
      const { status } = await import('./commands/status.ts');
      process.exitCode = await status(flags);
    });
}

function addTokens(program: Command): void {
  const tokens = program.command('tokens').description('let clients in, each with a token of its own');
  const command = (usage: string): Command => withClientFlags(tokens.command(usage));
  command('list')
    .description('show the tokens, without their secrets')
    .option('--json', 'print one JSON array')
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/tokens.ts')).listTokens(flags);
    });
  command('create <name>')
    .description('make a token and print it, this once')
    .requiredOption('--scopes <scopes>', 'read, write (with read) or admin (everything)')
    .option('--json', 'print one JSON object')
    .addHelpText('after', examples('dhaavak tokens create phone --scopes write'))
    .action(async (name: string, flags) => {
      process.exitCode = await (await import('./commands/tokens.ts')).createToken(name, flags);
    });
  command('revoke <name>')
    .description('end a token and its connections')
    .option('--json', 'print one JSON object')
    .action(async (name: string, flags) => {
      process.exitCode = await (await import('./commands/tokens.ts')).revokeToken(name, flags);
    });
  command('rotate <name>')
    .description('put a new token in place of the old one and print it, this once')
    .option('--json', 'print one JSON object')
    .action(async (name: string, flags) => {
      process.exitCode = await (await import('./commands/tokens.ts')).rotateToken(name, flags);
    });
  command('password')
    .description('set the password of the mode password, read from standard input; works without a gateway')
    .addHelpText('after', examples('read -rs P && echo "$P" | dhaavak tokens password'))
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/tokens.ts')).setPassword(flags);
    });
}

function addApprovals(program: Command): void {
  const approvals = program.command('approvals').description('decide on tool calls that wait for an operator');
  const ID = '01M87Z2RA3RK3162KRJZ3EB4TK';
  approvals.addHelpText('after', examples('dhaavak approvals list', `dhaavak approvals allow ${ID}`));
  withJson(withClientFlags(approvals.command('list')))
    .description('show the calls that wait, with all there is to know of them')
    .option('--session <key>', 'of this session only')
    .addHelpText('after', examples('dhaavak approvals list', 'dhaavak approvals list --json | jq .approvals[0].input'))
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/approvals.ts')).list(flags);
    });
  for (const [name, description] of [
    ['allow', 'let a call be made: this one, as it is shown'],
    ['deny', 'refuse a call; its model is told'],
  ] as const) {
    withJson(withClientFlags(approvals.command(name)))
      .description(description)
      .argument('<approval>', 'its id, as the list has it')
      .addHelpText('after', examples(`dhaavak approvals ${name} ${ID}`))
      .action(async (approval: string, flags) => {
        process.exitCode = await (await import('./commands/approvals.ts'))[name](approval, flags);
      });
  }
  withJson(withClientFlags(approvals.command('history')))
    .description('show what was decided, by whom or why, the newest first')
    .option('--session <key>', 'of this session only')
    .option('--limit <number>', 'at most so many (default: 100)')
    .addHelpText('after', examples('dhaavak approvals history', 'dhaavak approvals history --limit 10 --json'))
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/approvals.ts')).history(flags);
    });
}

function addSandbox(program: Command): void {
  const sandbox = program.command('sandbox').description('see what sessions may do with tools');
  sandbox.addHelpText('after', examples('dhaavak sandbox explain agent:main:main'));
  withJson(withClientFlags(sandbox.command('explain')))
    .description(
      'say of every tool whether a session may call it, and which rule decided; and whether it is in a sandbox',
    )
    .argument('<session>', 'its key; it need not be there yet')
    .option('--sender <who>', 'while it answers what they said: telegram:123')
    .addHelpText(
      'after',
      examples(
        'dhaavak sandbox explain agent:main:dm:telegram:123',
        'dhaavak sandbox explain --sender telegram:123 agent:main:group:telegram:-1001234',
      ),
    )
    .action(async (session: string, flags) => {
      process.exitCode = await (await import('./commands/sandbox.ts')).explain(session, flags);
    });
}

function addDeadLetters(program: Command): void {
  const letters = program
    .command('dead-letters')
    .description('messages that failed for good: look, send again, forget');
  letters.addHelpText('after', examples('dhaavak dead-letters list', 'dhaavak dead-letters resubmit 01M87Z2RA3RK31…'));
  withJson(withClientFlags(letters.command('list')))
    .description('list dead letters, the oldest first')
    .option('--session <key>', 'of this session only')
    .option('--limit <number>', 'at most so many (default: 100)')
    .action(async (flags) => {
      const { list } = await import('./commands/dead-letters.ts');
      process.exitCode = await list(flags);
    });
  for (const [name, description] of [
    ['show', 'show one, with its whole text'],
    ['resubmit', 'send one again, as a new message of its session'],
    ['discard', 'forget one; the transcript keeps its message'],
  ] as const) {
    withJson(withClientFlags(letters.command(name)))
      .description(description)
      .argument('<message>', 'its id, as the list has it')
      .action(async (message: string, flags) => {
        const commands = await import('./commands/dead-letters.ts');
        process.exitCode = await commands[name](message, flags);
      });
  }
}

function addSchedules(program: Command): void {
  const schedules = program.command('schedules').description('what sessions have set to be told later: look, remove');
  schedules.addHelpText('after', examples('dhaavak schedules list', 'dhaavak schedules remove agent:main:main 3f9a…'));
  withJson(withClientFlags(schedules.command('list')))
    .description('list schedules, by session')
    .option('--session <key>', 'of this session only')
    .option('--limit <number>', 'at most so many (default: 100)')
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/schedules.ts')).list(flags);
    });
  withJson(withClientFlags(schedules.command('remove')))
    .description('remove one')
    .argument('<session>', 'the key of its session')
    .argument('<schedule>', 'its id, as the list has it')
    .action(async (session: string, schedule: string, flags) => {
      process.exitCode = await (await import('./commands/schedules.ts')).remove(session, schedule, flags);
    });
}

function addMcp(program: Command): void {
  const mcp = program.command('mcp');
  withClientFlags(mcp)
    .description('be an MCP server on standard input and output, for desktop assistants: agents of a running gateway')
    .addHelpText(
      'after',
      examples('dhaavak mcp --url ws://10.0.0.5:18789/ws', 'claude mcp add dhaavak -- npx dhaavak mcp'),
    )
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/mcp.ts')).mcp(flags);
    });
  withJson(withClientFlags(mcp.command('restart')))
    .description('have the gateway connect anew to an MCP server that its agents use, also one that it has given up')
    .argument('<server>', 'its name in tools.mcp.servers')
    .addHelpText('after', examples('dhaavak status', 'dhaavak mcp restart notes'))
    .action(async (server: string, _flags, command) => {
      // The command above has the same flags, and takes them where it can.
      const flags = command.optsWithGlobals();
      process.exitCode = await (await import('./commands/mcp-restart.ts')).restart(server, flags);
    });
}

function addChannels(program: Command): void {
  const channels = program.command('channels').description('see how the accounts of channels are');
  channels.addHelpText('after', examples('dhaavak channels list', 'dhaavak channels login whatsapp'));
  withJson(withClientFlags(channels.command('list')))
    .description('show every account, and the answers that could not be sent')
    .addHelpText('after', examples('dhaavak channels list', 'dhaavak channels list --json | jq .undelivered'))
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/channels.ts')).list(flags);
    });
  withJson(withClientFlags(channels.command('restart')))
    .description('disconnect an account and connect it anew, as after its credentials were mended')
    .argument('<account>', 'telegram, or telegram/work')
    .addHelpText('after', examples('dhaavak channels restart telegram'))
    .action(async (name: string, flags) => {
      process.exitCode = await (await import('./commands/channels.ts')).restart(name, flags);
    });
  addChannelLogin(channels);
}

function addChannelLogin(channels: Command): void {
  withJson(withClientFlags(channels.command('login')))
    .description(
      'pair an account with a phone: shows its QR codes until it is ready; --json prints the codes as they are',
    )
    .argument('<account>', 'whatsapp, or whatsapp/work')
    .addHelpText('after', examples('dhaavak channels login whatsapp'))
    .action(async (name: string, flags) => {
      process.exitCode = await (await import('./commands/channel-login.ts')).login(name, flags);
    });
}

function addPairing(program: Command): void {
  const pairing = program.command('pairing').description('let people in who write to the bot on a channel');
  pairing.addHelpText('after', examples('dhaavak pairing list', 'dhaavak pairing approve telegram K7PMQ2XA'));
  withJson(withClientFlags(pairing.command('list')))
    .description('show who asks to be let in, with their codes, and who was')
    .option('--channel <name>', 'on this channel only')
    .addHelpText('after', examples('dhaavak pairing list', 'dhaavak pairing list --json | jq -r .pending[].code'))
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/pairing.ts')).list(flags);
    });
  const resolving = (name: string, description: string): Command =>
    withJson(withClientFlags(pairing.command(name)))
      .description(description)
      .argument('<channel>', 'telegram, discord, …')
      .argument('<code>', 'as the person was told')
      .addHelpText('after', examples(`dhaavak pairing ${name} telegram K7PMQ2XA`));
  resolving('approve', 'let the person with this code in').action(async (channel: string, code: string, flags) => {
    process.exitCode = await (await import('./commands/pairing.ts')).approve(channel, code, flags);
  });
  resolving('reject', 'refuse the person with this code').action(async (channel: string, code: string, flags) => {
    process.exitCode = await (await import('./commands/pairing.ts')).reject(channel, code, flags);
  });
  withJson(withClientFlags(pairing.command('revoke')))
    .description('take an approval back')
    .argument('<channel>', 'telegram, discord, …')
    .argument('<id>', "the platform's id of the person")
    .option('--account <name>', 'account of the channel, where it has several')
    .addHelpText('after', examples('dhaavak pairing revoke telegram 4711'))
    .action(async (channel: string, user: string, flags) => {
      process.exitCode = await (await import('./commands/pairing.ts')).revoke(channel, user, flags);
    });
}

function addAllow(program: Command): void {
  const allow = program.command('allow').description('change who may talk on channels, beside the configuration');
  allow.addHelpText('after', examples('dhaavak allow list', 'dhaavak allow add telegram group -1001234'));
  withJson(withClientFlags(allow.command('list')))
    .description('show the users and groups that were added, and the people that are paired')
    .option('--channel <name>', 'of this channel only')
    .option('--account <name>', 'of the accounts of this name only')
    .option('--kind <kind>', 'user, group or paired only')
    .addHelpText('after', examples('dhaavak allow list', 'dhaavak allow list --kind group --json'))
    .action(async (flags) => {
      process.exitCode = await (await import('./commands/allow.ts')).list(flags);
    });
  const changing = (name: string, description: string): Command =>
    withJson(withClientFlags(allow.command(name)))
      .description(description)
      .argument('<channel>', 'telegram, discord, …')
      .argument('<kind>', 'user or group')
      .argument('<who>', "the platform's id, or a person's handle; ids are safer, since handles can change hands")
      .option('--account <name>', 'account of the channel, where it has several')
      .addHelpText('after', examples(`dhaavak allow ${name} telegram user 4711`));
  changing('add', 'add an entry').action(async (channel: string, kind: string, who: string, flags) => {
    process.exitCode = await (await import('./commands/allow.ts')).add(channel, kind, who, flags);
  });
  changing('remove', 'remove an entry').action(async (channel: string, kind: string, who: string, flags) => {
    process.exitCode = await (await import('./commands/allow.ts')).remove(channel, kind, who, flags);
  });
}

function addConfig(program: Command): void {
  const config = program.command('config').description('check or show what a gateway would run with');
  config.addHelpText('after', examples('dhaavak config check --config ./dhaavak.yaml', 'dhaavak config show'));
  withJson(withGatewayFlags(config.command('check')))
    .description('say whether the configuration can be used, with every problem')
    .addHelpText('after', examples('dhaavak config check', 'dhaavak config check --json --config ./dhaavak.yaml'))
    .action(async (flags) => {
      const { check } = await import('./commands/config.ts');
      process.exitCode = await check(flags);
    });
  withJson(withGatewayFlags(config.command('show')))
    .description('print it with all defaults, variables and flags in it; secrets are left out')
    .addHelpText('after', examples('dhaavak config show', 'dhaavak config show --json | jq .models'))
    .action(async (flags) => {
      const { show } = await import('./commands/config.ts');
      process.exitCode = await show(flags);
    });
}

function addDoctor(program: Command): void {
  withJson(withClientFlags(program.command('doctor')))
    .description('look over the data folder and its gateway, running or not; exit code 1 when something is wrong')
    .option('--fix', 'repair what can be repaired without harm, and say what was done')
    .addHelpText('after', examples('dhaavak doctor', 'dhaavak doctor --fix --home /var/lib/dhaavak'))
    .action(async (flags) => {
      const { doctor } = await import('./commands/doctor.ts');
      process.exitCode = await doctor(flags);
    });
}

function addBackup(program: Command): void {
  withJson(withClientFlags(program.command('backup')))
    .description('copy the data folder of a running gateway, on its machine; the copy can be started as it is')
    .argument('<folder>', 'an empty folder, or one to be made')
    .addHelpText('after', examples('dhaavak backup /backups/monday', 'dhaavak start --home /backups/monday'))
    .action(async (folder: string, flags) => {
      const { backup } = await import('./commands/backup.ts');
      process.exitCode = await backup(folder, flags);
    });
}

function addResume(program: Command): void {
  withJson(withClientFlags(program.command('resume')))
    .description('let runs go on that the gateway has paused, since it crashed too often')
    .addHelpText('after', examples('dhaavak doctor', 'dhaavak resume'))
    .action(async (flags) => {
      const { resume } = await import('./commands/resume.ts');
      process.exitCode = await resume(flags);
    });
}

/** `dhaavak send … | head -1` is no failure. */
function leaveOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
}
