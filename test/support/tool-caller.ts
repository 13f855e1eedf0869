import type { ToolCaller, ToolContext } from '../../src/tools/tool.ts';

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
    tainted: false,
    speakers: [],
    ...changes,
  };
}

/** The context of a call that is made of a tool itself, past the registry. */
export function toolContext(changes: Partial<ToolContext> = {}): ToolContext {
  return {
    caller: toolCaller(),
    signal: new AbortController().signal,
    call: 'c1',
    tainted: false,
    others: [],
    callTool: () => Promise.reject(new Error('there are no other tools')),
    ...changes,
  };
}
