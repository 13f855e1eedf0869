/** The words that stand for something in protocol v1, in requests as in what is answered. */
import { z } from 'zod';

/** Ids and keys travel in logs and paths: printable ASCII without spaces. */
const printable = /^[\x21-\x7e]+$/;
export const id = z.string().min(1).max(64).regex(printable, 'must be printable ASCII without spaces');
export const sessionKey = z.string().min(1).max(256).regex(printable, 'must be printable ASCII without spaces');
/** Part of a session key, as it is: it must not hold the colon that divides a key. Agents in the configuration too. */
export const word = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a lower-case word of at most 32 characters');

/** Of sessions that people talk in. */
export const ROOT_TYPES = ['main', 'group', 'dm'] as const;
/** `sub`: a sub-agent's, which another session has spawned. */
export const SESSION_TYPES = [...ROOT_TYPES, 'sub'] as const;
/** Who or what an entry of a transcript is of. */
export const ENTRY_ROLES = ['user', 'assistant', 'tool', 'reset', 'summary'] as const;
export const MISSED_RUNS = ['skip', 'once'] as const;
export const THINKING_LEVELS = ['off', 'low', 'medium', 'high'] as const;
/** What a message does that comes while a run is going on; `docs/protocol.md` explains each. */
export const FOLLOW_UPS = ['steer', 'followup', 'collect', 'interrupt'] as const;

/** What a credential may be good for: `write` includes `read`, `admin` everything. */
export const SCOPES = ['read', 'write', 'admin'] as const;
export const TOKEN_NAME = /^[a-z][a-z0-9-]{0,31}$/;

/** What is remembered: what was said, by whom, and what was saved. */
export const MEMORY_KINDS = ['user', 'assistant', 'tool', 'summary', 'fact'] as const;
/** How far something may be recalled: in its session, by its owner, by all sessions of its agent. */
export const REACHES = ['session', 'owner', 'agent'] as const;

/** How an MCP server is: `waiting` to be connected again, or `failed`: given up. */
export const MCP_STATES = ['connecting', 'ready', 'waiting', 'failed'] as const;
/** How a plugin is. `failed`: nothing of it is there; `stopped`: it is switched off. */
export const PLUGIN_STATES = ['loading', 'ready', 'failed', 'stopped'] as const;
/** How a channel account is; `docs/channels.md` explains each. */
export const CHANNEL_STATES = ['connecting', 'ready', 'degraded', 'logged-out', 'stopped'] as const;
/** The lists of an account that can be added to while the gateway runs. */
export const LIST_KINDS = ['user', 'group'] as const;
/** What gives access: to have been paired, or to be on a list. */
export const GRANT_KINDS = ['paired', ...LIST_KINDS] as const;

/** The images a message may come with. */
export const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'] as const;
