/** `dhaavak sandbox …`: what a session may do, and which rule says so. */
import type { Replies } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { table } from '../table.ts';
import { printable } from '../terminal.ts';

/** Prints the sandbox mode of a session, and for every tool whether it may be called. Returns the exit code. */
export async function explain(
  session: string,
  { json, sender, ...flags }: ClientFlags & { json?: true; sender?: string },
): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const reply = await client.request('session.tools', { session, ...(sender === undefined ? {} : { sender }) });
  console.log(json ? JSON.stringify(reply) : printable(lines(reply).join('\n')));
  return EXIT.ok;
}

function lines({ session, agent, sandbox, tools }: Replies['session.tools']): string[] {
  const inside = sandbox.mode === 'off' ? 'without the tools that need a sandbox' : 'in a sandbox';
  const where = sandbox.sandboxed ? inside : 'not in a sandbox';
  const cells = tools.map(({ name, group, allowed, rule, risk, riskRule, varies }) => {
    const calls = `${risk}${varies ? ', unless the call says otherwise' : ''} (${riskRule})`;
    return [name, group, allowed ? 'yes' : 'no', rule, allowed ? calls : ''];
  });
  return [
    `${session}: agent ${agent}, ${where} (${sandbox.rule}: ${sandbox.mode})`,
    ...table([['tool', 'group', 'may be called', 'because of', 'a call is'], ...cells]),
  ];
}
