/** `dhaavak approvals …`: the tool calls that wait for an operator, and what was decided on others. */
import type { Client } from '../../client/client.ts';
import type { ApprovalInfo, RequestData } from '../../protocol/messages.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { CliError, EXIT } from '../exit.ts';
import { firstOf, limitOf } from '../limit.ts';
import { table } from '../table.ts';
import { printable, printableLine } from '../terminal.ts';

interface Flags extends ClientFlags {
  json?: true;
}

/** Calls that are asked for, of those that wait and where `--limit` says nothing. */
/** Asked for at a time; the protocol's limit. */
const PAGE = 200;
const CALL_LENGTH_MAX = 72;
const REASON_LENGTH_MAX = 60;

/** Prints the calls that wait, each with what there is to know of it. Returns the exit code. */
export async function list({ json, session, ...flags }: Flags & { session?: string }): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const { approvals, more } = await waiting(client, session);
  if (json) console.log(JSON.stringify({ approvals, more }));
  else if (approvals.length === 0) console.log('No tool call waits.');
  else console.log(printable([...approvals.map(waitingText), ...(more ? ['… and more'] : [])].join('\n\n')));
  return EXIT.ok;
}

/** Prints a row for each call that was decided, the newest first. Returns the exit code. */
export async function history({ json, session, limit, ...flags }: Flags & { session?: string; limit?: string }) {
  const limitNumber = limitOf(limit);
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const approvals = await firstOf(decided(client, session), limitNumber);
  if (json) console.log(JSON.stringify({ approvals }));
  else console.log(approvals.length === 0 ? 'Nothing was decided yet.' : printable(rows(approvals).join('\n')));
  return EXIT.ok;
}

/** Lets a call that waits be made. Returns the exit code. */
export function allow(approval: string, flags: Flags): Promise<number> {
  return decide(approval, true, flags);
}

/** Refuses one. Returns the exit code. */
export function deny(approval: string, flags: Flags): Promise<number> {
  return decide(approval, false, flags);
}

async function decide(approval: string, allowed: boolean, { json, ...flags }: Flags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const { approvals } = await waiting(client, undefined);
  const found = approvals.find((one) => one.approval === approval) ?? (await wasDecided(client, approval));
  const reply = await client.request('approval.resolve', { session: found.session, approval, allow: allowed });
  console.log(json ? JSON.stringify(reply) : printable(`${approval} is ${reply.allowed ? 'approved' : 'refused'}.`));
  return EXIT.ok;
}

/** The session of a call that was decided says who did. */
async function wasDecided(client: Client, approval: string): Promise<ApprovalInfo> {
  for await (const one of decided(client, undefined)) if (one.approval === approval) return one;
  throw new CliError(
    `no tool call waits under ${printableLine(approval, 64)}: see dhaavak approvals list`,
    EXIT.failed,
  );
}

function waiting(client: Client, session: string | undefined) {
  return client.request('approval.list', { limit: PAGE, ...(session === undefined ? {} : { session }) });
}

async function* decided(client: Client, session: string | undefined): AsyncGenerator<ApprovalInfo, void> {
  const filter: RequestData<'approval.list'> = { state: 'decided', ...(session === undefined ? {} : { session }) };
  for (let before: string | undefined; ; ) {
    const page = await client.request('approval.list', { ...filter, ...(before === undefined ? {} : { before }) });
    yield* page.approvals;
    before = page.approvals.at(-1)?.approval;
    if (!page.more || before === undefined) return;
  }
}

function waitingText({ approval, session, name, input, rule, bound = {}, expiresAt }: ApprovalInfo): string {
  const facts = Object.entries(bound).map(([fact, value]) => [printableLine(fact, 256), printableLine(value, 256)]);
  const lines = [
    ['session', printableLine(session, Number.POSITIVE_INFINITY)],
    ['call', printableLine(`${name} ${JSON.stringify(input)}`, 2_000)],
    ['asked for by', printableLine(rule, 256)],
    ...facts,
    ['until', new Date(expiresAt).toISOString()],
  ];
  return [approval, ...table(lines)].join('\n');
}

function rows(approvals: readonly ApprovalInfo[]): string[] {
  const cells = approvals.map(({ approval, session, name, input, decision }) => [
    approval,
    new Date(decision?.at ?? 0).toISOString(),
    decision?.allowed ? 'approved' : 'refused',
    printableLine(whoOrWhy(decision), REASON_LENGTH_MAX),
    printableLine(session, Number.POSITIVE_INFINITY),
    printableLine(`${name} ${JSON.stringify(input)}`, CALL_LENGTH_MAX),
  ]);
  return table([['approval', 'decided', 'how', 'by', 'session', 'call'], ...cells]);
}

function whoOrWhy(decision: ApprovalInfo['decision']): string {
  const { by, via, reason = '' } = decision ?? {};
  const who = [by, via === undefined ? undefined : `(${via})`].filter((part) => part !== undefined);
  return who.length === 0 ? reason : who.join(' ');
}
