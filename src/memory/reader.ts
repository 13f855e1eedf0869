import { isSubAgent } from '../../actors/session/kin.ts';
import type { MemoryConfig } from '../config/memory.ts';
import type { RootType } from '../protocol/messages.ts';
import { type MemoryReader, ownerOf, type Reach } from './entry.ts';

/** A session as the memory sees it: of a sub-agent the type, channel and user of the session at the top. */
export interface MemorySession {
  session: string;
  agent: string;
  type: RootType;
  channel: string;
  user: string;
}

/** From the narrowest. */
const REACHES: readonly Reach[] = ['session', 'owner', 'agent'];

/** A session as who recalls. */
export function readerOf({ session, ...whose }: MemorySession, scope: MemoryConfig['scope']): MemoryReader {
  return { agent: whose.agent, session, owner: ownerOf(whose), scope: scope[whose.type] };
}

/** An operator, who may recall all of an agent's. */
export function operatorOf(agent: string): MemoryReader {
  return {
    agent,
    session: `agent:${agent}:main`,
    owner: ownerOf({ agent, type: 'main', channel: '', user: '' }),
    scope: 'agent',
  };
}

/** Whether it is an operator's own session. */
export function isOperators({ session, agent }: MemoryReader): boolean {
  return session === `agent:${agent}:main`;
}

/** What a session saves is recalled by its owner, where its scope goes so far. */
export function defaultReach({ scope }: MemoryReader): Reach {
  return scope === 'session' ? 'session' : 'owner';
}

/** Whether the reader may save something that is recalled so far. */
export function maySave(reader: MemoryReader, reach: Reach): boolean {
  if (reach === 'session' && isSubAgent(reader.session)) return false;
  return REACHES.indexOf(reach) <= REACHES.indexOf(reader.scope);
}
