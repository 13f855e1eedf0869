/**
 * Goal: the adapter for Slack is like every adapter, and does what only Slack has. Method: Slack's own library against a
 * local Slack that refuses what the real one refuses. Signatures: `slack-webhook.test.ts`; broken connections:
 * `slack-connection.test.ts`.
 */
import { describeAdapter } from './adapter-suite.ts';
import { slackFixture } from './slack-fixture.ts';

const LACKS = {
  'formatting-fault': 'it refuses no formatting',
  typing: 'it shows none for bots',
};

describeAdapter('slack, Socket Mode', LACKS, (log) => slackFixture('socket', log));
describeAdapter('slack, HTTP', LACKS, (log) => slackFixture('http', log));
