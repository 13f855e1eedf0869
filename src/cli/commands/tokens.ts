import { loadConfig } from '../../config/load.ts';
import { writePassword } from '../../config/password.ts';
import type { Scope, TokenInfo } from '../../protocol/messages.ts';
import { SCOPES } from '../../protocol/vocabulary.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { printable } from '../terminal.ts';

interface TokenFlags extends ClientFlags {
  json?: true;
}

/** Characters read from standard input as a password, at most. */
const INPUT_LENGTH_MAX = 4_096;

/** Prints the named tokens, without their secrets. Returns the exit code. */
export async function listTokens({ json, ...flags }: TokenFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const { tokens } = await client.request('token.list', {});
  if (json) console.log(JSON.stringify(tokens));
  else for (const line of tokens.map(row)) console.log(printable(line));
  return EXIT.ok;
}

/** Makes a token and prints it, this once. */
export async function createToken(name: string, { json, scopes, ...flags }: TokenFlags & { scopes: string }) {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const made = await client.request('token.create', { name, scopes: scopesOf(scopes) });
  console.log(json ? JSON.stringify(made) : made.token);
  return EXIT.ok;
}

/** Ends a token and the connections that came in with it. */
export async function revokeToken(name: string, { json, ...flags }: TokenFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const done = await client.request('token.revoke', { name });
  console.log(json ? JSON.stringify(done) : `revoked ${name}; connections closed: ${done.closed}`);
  return EXIT.ok;
}

/** Puts a new token in place of the old one and prints it, this once. */
export async function rotateToken(name: string, { json, ...flags }: TokenFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const made = await client.request('token.rotate', { name });
  console.log(json ? JSON.stringify(made) : made.token);
  return EXIT.ok;
}

/** Keeps the hash of the password that comes on standard input, its first line, for a gateway of the mode `password`. */
export async function setPassword(flags: ClientFlags): Promise<number> {
  const { config } = await loadConfig({ flags, env: process.env });
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk;
    if (text.includes('\n') || text.length > INPUT_LENGTH_MAX) break;
  }
  const file = await writePassword(config.home, text.split(/\r?\n/, 1)[0] ?? '');
  console.log(`Its hash is in ${file}; a running gateway takes it at its next start.`);
  return EXIT.ok;
}

function scopesOf(text: string): Scope[] {
  return text.split(',').map((word) => {
    const scope = SCOPES.find((known) => known === word.trim());
    if (scope === undefined) throw new CliError(`--scopes takes ${SCOPES.join(', ')}, with commas`, EXIT.usage);
    return scope;
  });
}

function row({ name, scopes, createdAt, rotatedAt }: TokenInfo): string {
  const rotated = rotatedAt === null ? '' : `, rotated ${new Date(rotatedAt).toISOString()}`;
  return `${name.padEnd(20)}  ${scopes.join(',').padEnd(16)}  made ${new Date(createdAt).toISOString()}${rotated}`;
}
