/**
 * What a platform brings to the conformance suite (`adapter-suite.ts`): an adapter, and a local server that speaks the
 * platform's own protocol, seen through the eyes of the people who use it. Everything here is in terms of the contract
 * (`src/channels/adapter.ts`); what it means on the wire is the fixture's business.
 */
import type {
  Adapter,
  AttachmentKind,
  Button,
  ChannelErrorKind,
  Chat,
  InboundMessage,
  Sender,
} from '../../src/channels/adapter.ts';

/** Stands in a posted text for the platform's way to mention the bot. */
export const BOT = '{bot}';

/**
 * What a platform may lack. `threads`: Chat.thread; `redelivery`: the platform is told what arrived and delivers the rest
 * again; `independence`: a message that waits to be kept holds up no other chat; `other-bots`: messages of other bots are
 * seen, and known as theirs; `own-messages`: the bot is shown what it wrote itself; `credentials`: the platform can refuse
 * them at start; `formatting-fault`: it can refuse formatting; `declared-bytes`: it says how large a file is;
 * `captions`: a file has a text of its own; `file-names`:
 * a picture or film keeps its name; `press-answer`: who pressed is shown an answer.
 */
export type Feature =
  | 'threads'
  | 'redelivery'
  | 'independence'
  | 'other-bots'
  | 'own-messages'
  | 'credentials'
  | 'formatting-fault'
  | 'declared-bytes'
  | 'captions'
  | 'file-names'
  | 'typing'
  | 'edits'
  | 'buttons'
  | 'press-answer'
  | `fault:${Exclude<ChannelErrorKind, 'too_large'>}`;

/** What the platform lacks and why, in a few words: its cases are skipped and carry the reason in their names. */
export type Lacks = Partial<Record<Feature, string>>;

export interface PostedFile {
  readonly kind: AttachmentKind;
  readonly name: string;
  readonly mediaType: string;
  readonly data: Uint8Array;
  /** What the platform claims its size to be; left out: the truth. */
  readonly declaredBytes?: number;
}

/** How something is written. */
export interface PostOptions {
  /** Default: the fixture's usual person, the same in DMs and groups. The ids are of the platform's kind. */
  readonly sender?: Sender;
  readonly attachments?: readonly PostedFile[];
  /** In the thread of the fixture's group instead of the group itself. */
  readonly thread?: boolean;
  /** The platform's id of the message it answers. */
  readonly repliesTo?: string;
  /** In a second group, or DM with another person, instead of the usual one. */
  readonly elsewhere?: boolean;
}

/** Something that was written, in the words the adapter must find for it. */
export interface Posted {
  readonly update: string;
  readonly chat: Chat;
  readonly sender: Sender;
  readonly message: string;
  readonly timestamp: number;
}

/** A message of the bot as people see it. */
export interface Shown {
  readonly message: string;
  readonly chat: Chat;
  /** Without any markup, and without the caption of its file. */
  readonly text: string;
  /** Stretches of the text and how they look. */
  readonly formatting: readonly {
    readonly look: 'bold' | 'italic' | 'code' | 'block' | 'link';
    readonly text: string;
  }[];
  /** Label and data of what can be pressed, by rows. */
  readonly buttons: readonly (readonly Pick<Button, 'label' | 'data'>[])[];
  readonly file?: {
    readonly kind: AttachmentKind;
    readonly name: string;
    readonly data: Uint8Array;
    readonly caption: string;
  };
  readonly replyTo?: string;
}

/**
 * How the platform treats the next attempt to send a message:
 * - a ChannelErrorKind: it refuses in the way that is this kind. `unknown`: it reads the request, then cuts the connection
 *   without an answer. The bot's message is not shown;
 * - `formatting`: it refuses the formatting of the message, as often as there is any in an attempt for it;
 * - `silence`: it reads the request and never answers.
 */
export type SendFault = Exclude<ChannelErrorKind, 'too_large'> | 'formatting' | 'silence';

export interface AdapterFixture {
  /** Not started. All controls below are about it. */
  readonly adapter: Adapter;
  /** Another one for the same server, whose credentials it refuses. */
  wrongAdapter(): Adapter;
  /** How often the server was shown wrong credentials. */
  refusals(): number;
  /** What must never be in a log, a reason or an error. */
  readonly secrets: readonly string[];

  dm(text: string, options?: PostOptions): Promise<Posted>;
  /** `BOT` in the text is a mention. */
  group(text: string, options?: PostOptions): Promise<Posted>;
  /** `/name args` in the form the platform has for commands, for this bot and no other. */
  command(where: 'dm' | 'group', name: string, args: string): Promise<Posted>;
  /** The platform shows the bot a message that the bot wrote itself, in the usual DM. */
  echo(text: string): Promise<void>;
  /** The platform delivers it once more, as if it had not been told that it arrived. */
  redeliver(posted: Posted): Promise<void>;
  /** Whether the platform was told that it arrived, so that it will not come again. */
  accepted(posted: Posted): boolean;
  /** Bytes of attachments the adapter was sent. */
  fileBytesRead(): number;

  /** What is to be seen of the bot's messages, in the order they were sent. */
  shown(): readonly Shown[];
  /** Attempts to send a message, refused ones included. */
  attempts(): number;
  /** How often typing was shown in this chat. */
  typing(chat: Chat): number;
  /** `retryAfterMs` for `rate_limited`. */
  fail(fault: SendFault, options?: { retryAfterMs?: number }): void;
  /** A person presses a button of a message of ours. Resolves with the answer they are shown. */
  press(message: Shown, data: string, sender: Sender): Promise<string>;

  /** Cuts every connection and takes no new one until `restore`. What is posted meanwhile is delivered afterwards. */
  drop(): void;
  restore(): Promise<void>;
  /** Open connections of the adapter. */
  connections(): number;
  /** Ends the server; the adapter is stopped already. */
  close(): Promise<void>;
}

/** What the suite tells about a message it expects. `text` and `addressed` are its own to say. */
export function expected(posted: Posted, text: string, addressed: boolean): Partial<InboundMessage> {
  const { update, chat, sender, message, timestamp } = posted;
  return { update, chat, sender, message, timestamp, text, addressed };
}
