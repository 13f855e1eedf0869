/** What is shown of a tool call that waits for an operator. Pure. */
import type { Button } from '../../src/channels/adapter.ts';
import type { EventData } from '../../src/protocol/messages.ts';

type Requested = Pick<EventData<'approval.requested'>, 'approval' | 'name' | 'input' | 'bound'>;
type Resolved = Pick<EventData<'approval.resolved'>, 'allowed' | 'by' | 'reason'>;

/** Longest call that is shown, in UTF-16 code units: a few lines on a phone. Whoever decides sees where more was. */
const CALL_LENGTH_MAX = 600;
/** Data of the buttons; with an id of 26 characters it has 38 of the 64 bytes there may be. */
const DATA = /^approve:([\x21-\x7e]{1,48}):(yes|no)$/;

/** The call as code: in JSON, what cannot be seen, or would end the code, is written as its number. */
export function callText({ name, input }: Pick<Requested, 'name' | 'input'>): string {
  const shown = visible(`${name} ${JSON.stringify(input) ?? ''}`);
  const more = shown.length - CALL_LENGTH_MAX;
  return more > 0
    ? `\`${shown.slice(0, CALL_LENGTH_MAX).toWellFormed()}…\` (and ${more} more characters)`
    : `\`${shown}\``;
}

/** What the approval is good for only as long as it stays the same. */
function boundText(bound: Requested['bound'] = {}): string {
  const facts = Object.entries(bound).map(([name, fact]) => `\`${visible(`${name}: ${fact}`)}\``);
  return facts.length === 0 ? '' : ` It is bound to ${facts.join(', ')}.`;
}

function visible(text: string): string {
  return text.replace(/[\p{C}\u2028\u2029`]/gu, escaped);
}

/** The question, for a chat without buttons with what to say. */
export function questionText(call: Requested, buttons: boolean): string {
  const question = `${callText(call)} waits for approval.${boundText(call.bound)}`;
  if (buttons) return question;
  return `${question} An operator may say \`/approve ${call.approval}\` or \`/approve ${call.approval} no\`.`;
}

export function questionButtons({ approval }: Requested): Button[][] {
  return [
    [
      { label: 'Approve', data: `approve:${approval}:yes`, style: 'primary' },
      { label: 'Refuse', data: `approve:${approval}:no`, style: 'danger' },
    ],
  ];
}

/** What a button means; undefined: it is none of ours. */
export function pressedButton(data: string): { approval: string; allow: boolean } | undefined {
  const [, approval, word] = DATA.exec(data) ?? [];
  return approval === undefined ? undefined : { approval, allow: word === 'yes' };
}

/** What stands there once it is decided. */
export function decidedText(call: Requested, { allowed, by, reason }: Resolved): string {
  // A name is no Markdown.
  const who = by === undefined ? undefined : by.replace(/[*_~`[\]<>\\|]/g, '');
  if (allowed) return `${callText(call)} was approved by ${who ?? 'an operator'}.`;
  const why = who === undefined ? `: ${reason ?? 'it waits no longer'}` : ` by ${who}`;
  return `${callText(call)} was refused${why}.`;
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
