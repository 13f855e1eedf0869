/** Goal: a model with hands, from a message to the disk and back. Method: the whole gateway and a model server that calls the tools. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { NO_BUBBLEWRAP } from '../support/tool-bench.ts';
import { MAIN } from '../support/valid-requests.ts';
import { until } from '../support/wait.ts';

const TOOLS = ['files.read', 'files.write', 'exec', 'exec.list'];

/** What the model was given back by its last calls. */
function results(body: Record<string, unknown> | undefined): string[] {
  const messages = (body?.messages ?? []) as { role: string; content: string }[];
  return messages.filter(({ role }) => role === 'tool').map(({ content }) => content);
}

it('writes a file, reads it, and runs a command when an operator has said yes', async () => {
  const { server, models } = await scriptedModel(
    { toolCalls: [{ name: 'files_write', input: { path: 'notes/today.md', content: 'Buy milk.\n' } }] },
    { toolCalls: [{ name: 'files_read', input: { path: 'notes/today.md' } }] },
    { toolCalls: [{ name: 'exec', input: { command: 'wc -w < notes/today.md; pwd' } }] },
    { text: ['Done.'] },
  );
  const home = await tempFolder();
  const workspace = join(home, 'agents', 'main');
  await mkdir(join(workspace, 'skills', 'lists'), { recursive: true });
  await writeFile(join(workspace, 'skills', 'lists', 'SKILL.md'), '---\nname: lists\ndescription: Keeps lists.\n---\n');
  const gateway = await localGateway({ home, models, agents: { main: { tools: TOOLS } } });
  const client = await gateway.connect();
  await client.ask('subscribe', { session: MAIN });
  const { message } = await client.ask('message.send', { text: 'note that I need milk' });
  const { data: asked } = await client.event('approval.requested');
  expect(asked).toMatchObject({ name: 'exec', input: { command: 'wc -w < notes/today.md; pwd' } });
  expect(await readFile(join(workspace, 'notes', 'today.md'), 'utf8')).toBe('Buy milk.\n');
  await client.ask('approval.resolve', { session: MAIN, approval: asked.approval, allow: true });
  expect((await client.runEnd(message)).data.status).toBe('ok');
  expect(results(server.requests.at(-1)?.body)).toEqual([
    'made notes/today.md: 10 bytes',
    'Buy milk.',
    `exit code 0\n2\n${workspace}`,
  ]);
  const { body } = await server.request(0);
  const [system] = body.messages as { content: string }[];
  expect(system?.content).toContain('- lists (skills/lists/SKILL.md): Keeps lists.');
});

const ENDINGS = ['session.delete', 'stop'] as const;

if (NO_BUBBLEWRAP !== undefined) it.skip(`the same in the sandbox: ${NO_BUBBLEWRAP}`);

it.each(ENDINGS.filter((ending) => ending === 'stop' || NO_BUBBLEWRAP === undefined))(
  'no process is left by %s',
  async (ending) => {
    const command = 'while true; do echo >> beats; sleep 0.05; done';
    const { models } = await scriptedModel({ toolCalls: [{ name: 'exec', input: { command, background: true } }] });
    const home = await tempFolder();
    const beats = join(home, 'agents', 'main', 'beats');
    const gateway = await localGateway({
      home,
      models,
      agents: { main: { tools: TOOLS } },
      tools: { types: { dm: { deny: [] } } },
    });
    const client = await gateway.connect();
    // Only a session that is not main can be deleted; it is kept in the sandbox.
    const type = ending === 'stop' ? 'main' : 'dm';
    const { id: session } = (
      await client.ask('session.create', { type, ...(type === 'dm' && { channel: 'api', user: 'u' }) })
    ).session;
    const { message } = await client.ask('message.send', { session, text: 'go' });
    const { data: asked } = await client.event('approval.requested');
    await client.ask('approval.resolve', { session, approval: asked.approval, allow: true });
    expect((await client.runEnd(message)).data.status).toBe('ok');
    const length = async () => (await readFile(beats, 'utf8').catch(() => '')).length;
    const grows = async (): Promise<boolean> => {
      const before = await length();
      await new Promise((resolve) => setTimeout(resolve, 300));
      return (await length()) > before;
    };
    await until(10_000, async () => (await grows()) || undefined, 'the process');
    if (ending === 'stop') await gateway.stop();
    else await client.ask('session.delete', { session });
    await until(10_000, async () => !(await grows()) || undefined, 'the end of the process');
  },
);
