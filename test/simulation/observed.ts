import type { SessionAnswer, SessionControl } from '../../actors/session/control.ts';
import type { Turn } from '../../actors/session/turn.ts';
import type { ActorDefinition } from '../../src/runtime/actor.ts';
import { POISON } from './token.ts';
import type { Trace } from './trace.ts';
import type { Witness } from './witness.ts';

type SessionKind = ActorDefinition<Turn, void, SessionControl, SessionAnswer>;

/** The kind of actor, with a witness of when each turn begins and ends. Turns of poisonous messages fail. */
export function observed(kind: SessionKind, witness: Witness, trace: Trace): SessionKind {
  return {
    ...kind,
    create(context) {
      const actor = kind.create(context);
      const session = context.address.key;
      return {
        accept: (turn) => actor.accept?.(turn),
        async receive(turn, task) {
          trace.note(`turn ${turn.message}, attempt ${task.attempt}`);
          witness.lanes.began(session, turn);
          witness.messages.began(turn.message);
          try {
            if (turn.text.includes(POISON)) throw new TypeError('poison');
            return await actor.receive(turn, task);
          } finally {
            trace.note(`turn ${turn.message} is over`);
            witness.lanes.ended(session, turn);
          }
        },
        control: (message) => actor.control!(message),
        passivate: () => actor.passivate?.(),
      };
    },
  };
}
