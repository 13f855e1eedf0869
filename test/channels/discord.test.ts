import { describeAdapter } from './adapter-suite.ts';
import { discordFixture } from './discord-fixture.ts';

describeAdapter(
  'discord',
  {
    threads: 'its threads are chats of their own',
    redelivery: 'its gateway knows no acknowledgement',
    'formatting-fault': 'it refuses no formatting',
  },
  discordFixture,
);
