import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { printable } from '../terminal.ts';

/** Decides on a tool call that waits for an operator. Returns the exit code. */
export async function approve(
  session: string,
  approval: string,
  { json, deny, ...flags }: ClientFlags & { json?: true; deny?: true },
): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const reply = await client.request('approval.resolve', { session, approval, allow: !deny });
  console.log(json ? JSON.stringify(reply) : printable(`${approval} is ${reply.allowed ? 'approved' : 'refused'}.`));
  return EXIT.ok;
}
