/** What the server answers to a client's queries (`<iq>`), by their namespace. What it does not know it refuses, as WhatsApp. */
import { type BinaryNode, jidDecode } from '@whiskeysockets/baileys';
import { children, find, node, SERVER, seconds } from './nodes.ts';
import type { Companion, Group, Person } from './person.ts';

/** What the answers are made of. */
export interface Known {
  readonly media: { readonly hostname: string; readonly auth: string };
  /** How many of the device's one-time keys are left. */
  preKeysOf(device: string): number;
  register(device: string, keys: BinaryNode[]): void;
  bundle(jid: string): Promise<BinaryNode | undefined>;
  /** By number or LID. */
  personAt(user: string): Person | undefined;
  companionsOf(person: Person): readonly Companion[];
  groupAt(jid: string): Group | undefined;
}

/** The content of the result, or the code of an error. */
type Answer = BinaryNode[] | number;

/** The reply to a query of `device`. */
export async function answer(known: Known, device: string, query: BinaryNode): Promise<BinaryNode> {
  const found = await resultOf(known, device, query);
  const attrs = { id: query.attrs.id!, from: query.attrs.to ?? SERVER };
  if (typeof found !== 'number') return node('iq', { ...attrs, type: 'result' }, found);
  return node('iq', { ...attrs, type: 'error' }, [node('error', { code: String(found), text: TEXTS[found]! })]);
}

const TEXTS: Record<number, string> = {
  400: 'bad-request',
  403: 'forbidden',
  404: 'item-not-found',
  429: 'rate-overlimit',
};

async function resultOf(known: Known, device: string, query: BinaryNode): Promise<Answer> {
  const { xmlns, type, to } = query.attrs;
  const [first] = children(query);
  switch (`${xmlns} ${type} ${first?.tag}`) {
    case 'w:p get ping':
    case 'passive set active':
    case 'privacy set tokens':
    case 'urn:xmpp:whatsapp:dirty set clean':
      return [];
    case 'encrypt get count':
      return [node('count', { value: String(known.preKeysOf(device)) })];
    case 'encrypt get digest':
      return [node('digest')];
    case 'encrypt set registration':
      known.register(device, children(find(query, 'list')));
      return [];
    case 'encrypt get key':
      return bundles(known, first!);
    case 'usync get usync':
      return usync(known, first!);
    case 'abt get props':
      return [node('props', { protocol: '1', hash: 'props-1' })];
    case 'blocklist get undefined':
      return [node('list')];
    case 'privacy get privacy':
      return [node('privacy', {}, [node('category', { name: 'readreceipts', value: 'all' })])];
    case 'w:m set media_conn':
      return [
        node('media_conn', { auth: known.media.auth, ttl: '300' }, [
          node('host', { hostname: known.media.hostname, maxContentLengthBytes: '104857600' }),
        ]),
      ];
    case 'w:g2 get query':
      return groupMetadata(known, device, to!);
    case 'w:sync:app:state set sync':
      return [
        node(
          'sync',
          {},
          children(first).map(({ attrs }) => node('collection', { name: attrs.name!, version: '0' })),
        ),
      ];
    default:
      return 400;
  }
}

async function bundles(known: Known, key: BinaryNode): Promise<Answer> {
  const found: BinaryNode[] = [];
  for (const { attrs } of children(key, 'user')) {
    const bundle = await known.bundle(attrs.jid!);
    found.push(bundle ?? node('user', { jid: attrs.jid! }, [node('error', { code: '404', text: 'item-not-found' })]));
  }
  return [node('list', {}, found)];
}

/** Who is there, with which devices and LID. */
function usync(known: Known, query: BinaryNode): Answer {
  const asked = new Set(children(find(query, 'query')).map(({ tag }) => tag));
  const users = children(find(query, 'list'), 'user').flatMap((user) => {
    const contact = find(user, 'contact')?.content?.toString();
    const number = contact === undefined ? jidDecode(user.attrs.jid)!.user : contact.replace('+', '');
    const person = known.personAt(number);
    const jid = user.attrs.jid ?? `${number}@${SERVER}`;
    if (contact !== undefined) return [node('user', { jid }, [node('contact', { type: person ? 'in' : 'out' })])];
    return person ? [node('user', { jid }, userContent(known, person, asked))] : [];
  });
  return [node('usync', { sid: query.attrs.sid! }, [node('result'), node('list', {}, users)])];
}

function userContent(known: Known, person: Person, asked: Set<string>): BinaryNode[] {
  const content: BinaryNode[] = [];
  if (asked.has('devices')) {
    const linked = known.companionsOf(person).map(({ jid }) => {
      const id = String(jidDecode(jid)!.device);
      return node('device', { id, 'key-index': id });
    });
    content.push(node('devices', {}, [node('device-list', {}, [node('device', { id: '0' }), ...linked])]));
  }
  if (asked.has('lid')) content.push(node('lid', { val: person.lidJid }));
  return content;
}

function groupMetadata(known: Known, device: string, jid: string): Answer {
  const group = known.groupAt(jid);
  if (!group) return 404;
  const me = known.personAt(jidDecode(device)!.user);
  if (!group.members.some((member) => member === me)) return 403;
  const participants = group.members.map((member) =>
    group.addressing === 'lid'
      ? node('participant', { jid: member.lidJid, phone_number: member.jid })
      : node('participant', { jid: member.jid, lid: member.lidJid }),
  );
  const attrs = {
    id: jidDecode(jid)!.user,
    subject: group.subject,
    addressing_mode: group.addressing,
    creation: seconds(),
    s_t: seconds(),
  };
  return [node('group', attrs, participants)];
}
