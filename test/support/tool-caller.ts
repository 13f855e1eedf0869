import type { ToolCaller } from '../../src/tools/tool.ts';

/** A session whose run calls tools, for tests that have none. */
export function toolCaller(changes: Partial<ToolCaller> = {}): ToolCaller {
  return {
    session: 'agent:main:main',
    agent: 'main',
    type: 'main',
    channel: 'api',
    user: 'owner',
    workspace: '/nowhere',
    sandboxed: false,
    message: 'm1',
    origin: undefined,
    hops: 0,
    speakers: [],
    ...changes,
  };
}
