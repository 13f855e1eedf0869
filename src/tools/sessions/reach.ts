import { messageSend } from '../message/send.ts';
import { scheduleAdd } from '../schedule/add.ts';
import { scheduleList } from '../schedule/list.ts';
import { scheduleRemove } from '../schedule/remove.ts';
import type { Tool } from '../tool.ts';
import type { SessionDesk } from './desk.ts';
import { sessionsHistory } from './history.ts';
import { sessionsList } from './list.ts';
import { sessionsSend } from './send.ts';
import { sessionsSpawn } from './spawn.ts';

/** The tools that reach out of a session: to others, to chats, and to later times. */
export function reachTools(desk: SessionDesk): Tool[] {
  const sessions = [sessionsList(desk), sessionsHistory(desk), sessionsSend(desk), sessionsSpawn(desk)];
  return [...sessions, messageSend(desk), scheduleAdd(desk), scheduleList(desk), scheduleRemove(desk)];
}
