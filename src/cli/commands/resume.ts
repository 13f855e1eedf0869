import { type ClientFlags, connectToGateway } from '../connection.ts';
import { EXIT } from '../exit.ts';

interface ResumeFlags extends ClientFlags {
  json?: true;
}

/** Lets runs go on that the gateway has paused after crashes. Returns the exit code. */
export async function resume({ json, ...flags }: ResumeFlags): Promise<number> {
  const { client } = await connectToGateway(flags);
  await using _ = client;
  const answer = await client.request('runs.resume', {});
  if (json) console.log(JSON.stringify(answer));
  else console.log(answer.resumed ? 'Runs go on.' : 'Runs were not paused.');
  return EXIT.ok;
}
