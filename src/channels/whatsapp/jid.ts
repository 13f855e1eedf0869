/**
 * The addresses of WhatsApp. A person has two: the phone number (`4915…@s.whatsapp.net`) and the LID (`123…@lid`), which
 * hides the number; a message carries either, often both. Outside of this folder a person is the number, in digits with the
 * country code, as in a wa.me link, where it is known; otherwise the LID. A group is `120363…@g.us`.
 */
import { ChannelError } from '../adapter.ts';

const PERSON = '@s.whatsapp.net';
const LID = '@lid';
const GROUP = '@g.us';

/** The address of a chat of ours. Throws a ChannelError for what can be none. */
export function jidOf(id: string): string {
  if (/^[\d-]{5,40}@g\.us$/.test(id) || /^\d{5,25}@lid$/.test(id)) return id;
  const number = /^\+?(\d{5,20})(@s\.whatsapp\.net)?$/.exec(id.replace(/[\s()-]/g, ''))?.[1];
  if (number) return `${number}${PERSON}`;
  throw new ChannelError(
    'rejected',
    'not a chat of WhatsApp: a phone number with its country code, or a group (…@g.us)',
  );
}

/** An address without the device it may name. */
export function bare(jid: string): string {
  return jid.replace(/:\d+(?=@)/, '');
}

/** Who an address names, without server and device. */
export function userOf(jid: string): string {
  return jid.slice(0, jid.search(/[:@]|$/));
}

export function isPhone(jid: string): boolean {
  return jid.endsWith(PERSON);
}

export function isLid(jid: string): boolean {
  return jid.endsWith(LID);
}

export function isGroup(jid: string): boolean {
  return jid.endsWith(GROUP);
}

/** The id of a person outside of this folder. */
export function personId(jid: string): string {
  return isPhone(jid) ? userOf(jid) : bare(jid);
}
