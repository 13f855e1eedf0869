/** The flags that many commands have. */
import type { Command } from 'commander';

/** For commands that print a list or a reply. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print one JSON object');
}

/** Where a gateway is, and where its files are. */
export function withGatewayFlags(command: Command): Command {
  return command
    .option('--host <address>', 'address the gateway listens on')
    .option('--port <number>', 'its port')
    .option('--token <token>', 'secret of its clients (default: the one in <home>/token)')
    .option('--home <folder>', 'data folder')
    .option('--config <file>', 'configuration file (default: <home>/dhaavak.yaml, if it exists)');
}

/** Of commands that connect to a gateway. */
export function withClientFlags(command: Command): Command {
  return withGatewayFlags(command).option('--url <url>', 'WebSocket address, instead of host and port');
}

/** The values of an option that may be given again and again. */
export function collected(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** What stands below the help of a command. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
