import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { printable } from '../terminal.ts';

interface RestartFlags extends ClientFlags {
  json?: true;
}

/** Has the gateway connect anew to an MCP server, also one that it had given up. Returns the exit code. */
export async function restart(server: string, { json, ...flags }: RestartFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const answer = await client.request('mcp.restart', { server });
  if (json) console.log(JSON.stringify(answer));
  else console.log(printable(`${answer.server} is being connected: dhaavak status tells how it goes.`));
  return EXIT.ok;
}
