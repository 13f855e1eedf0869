import { examine } from '../../doctor/doctor.ts';
import type { Finding } from '../../doctor/finding.ts';
import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';
import { printable } from '../terminal.ts';

interface DoctorFlags extends ClientFlags {
  json?: true;
  fix?: true;
}

/** A large store takes minutes to read. */
const CHECK_TIMEOUT_MS = 3_600_000;

const SIGNS: Record<Finding['status'], string> = { ok: 'ok     ', warning: 'WARNING', wrong: 'WRONG  ' };

/** Prints what is in order and what is not. Returns the exit code: failed when something is wrong. */
export async function doctor({ json, fix, ...flags }: DoctorFlags): Promise<number> {
  const askGateway = async () => {
    const { client } = await connectToGateway(flags);
    await using _ = client;
    const status = await client.request('status', {});
    return { status, check: await client.request('store.check', {}, { timeoutMs: CHECK_TIMEOUT_MS }) };
  };
  const findings = await examine({ flags, env: process.env, fix: fix === true, askGateway });
  const isWell = findings.every(({ status }) => status !== 'wrong');
  if (json) console.log(JSON.stringify({ ok: isWell, findings }));
  else console.log(printable(findings.map(line).join('\n')));
  return isWell ? EXIT.ok : EXIT.failed;
}

function line({ name, status, text, fixed }: Finding): string {
  const done = fixed === undefined ? '' : `; fixed: ${fixed}`;
  return `${fixed === undefined ? SIGNS[status] : 'FIXED  '}  ${name.padEnd(13)}  ${text}${done}`;
}
