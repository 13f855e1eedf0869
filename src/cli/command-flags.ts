/** What commands have in common: flags that say which gateway is meant, and examples in their help. */
import type { Command } from 'commander';

/** Adds `--json`. */
export function withJson(command: Command): Command {
  return command.option('--json', 'print one JSON object');
}

/** Adds the flags of a gateway. */
export function withGatewayFlags(command: Command): Command {
  return command
    .option('--host <address>', 'address the gateway listens on')
    .option('--port <number>', 'its port')
    .option('--token <token>', 'secret of its clients (default: the one in <home>/token)')
    .option('--home <folder>', 'data folder')
    .option('--config <file>', 'configuration file (default: <home>/dhaavak.yaml, if it exists)');
}

/** Adds those, and the address of one that runs elsewhere. */
export function withClientFlags(command: Command): Command {
  return withGatewayFlags(command).option('--url <url>', 'WebSocket address, instead of host and port');
}

/** The values of an option that may be given again and again. */
export function collected(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** Lines for the help, which are commands. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
