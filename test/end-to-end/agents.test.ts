/** Goal: several agents, each with its own prompt, model, tools and files. Method: the whole gateway, a model server that keeps what it is sent. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { scriptedModel } from '../support/model.ts';
import { tempFolder } from '../support/temp-folder.ts';

it('each agent answers with its own prompt, workspace, tools and model', async () => {
  const { server, models } = await scriptedModel();
  const home = await tempFolder();
  await mkdir(join(home, 'agents', 'asha'), { recursive: true });
  await writeFile(join(home, 'agents', 'asha', 'SOUL.md'), 'You are Asha.');
  const gateway = await localGateway({
    home,
    models,
    agents: { main: { model: 'offline' }, asha: { prompt: 'Be brief.', tools: ['calc'] } },
  });
  const client = await gateway.connect();
  for (const agent of ['main', 'asha']) {
    const { session } = await client.ask('session.create', { agent });
    const { message } = await client.ask('message.send', { session: session.id, text: 'hello' });
    expect((await client.runEnd(message)).data.status).toBe('ok');
  }
  expect(client.events('run.start').map(({ data }) => data.model)).toEqual(['offline', models?.default]);
  expect(server.requests.map(({ body }) => body)).toMatchObject([
    {
      messages: [{ role: 'system', content: 'Be brief.\n\nThe file SOUL.md:\n\nYou are Asha.' }, { role: 'user' }],
      tools: [{ function: { name: 'calc' } }],
    },
  ]);
});
