/** Goal: a connection that asks for much at once stands in nobody's way. Method: requests of a connection to shards that keep them. */
import { describe, expect, it } from 'vitest';
import { Connection } from '../../src/gateway/connection.ts';
import { newCounters } from '../../src/gateway/counters.ts';
import { Pace } from '../../src/gateway/pace.ts';
import { handleMessage, type RequestContext } from '../../src/gateway/requests.ts';
import { grantOf } from '../../src/gateway/scopes.ts';
import { Topics } from '../../src/gateway/topics.ts';
import { DhaavakError } from '../../src/protocol/errors.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame.ts';

function setUp() {
  const passedOn: string[] = [];
  const refused: string[] = [];
  let down = false;
  const socket = {
    send(frame: Uint8Array) {
      const { id, error } = decodeFrame(frame) as { id: string; error?: { code: string } };
      refused.push(`${id} ${error?.code}`);
      return 1;
    },
  };
  const connection = new Connection(socket as never, new Topics(), newCounters());
  connection.accept(grantOf('test', ['write']), {} as never);
  const request = (_index: number, _session: string, frame: Uint8Array) => {
    if (down) throw new DhaavakError('unavailable', 'the worker of this session is restarting');
    passedOn.push(decodeFrame(frame).id as string);
  };
  const context = { pace: new Pace(10_000), shards: { size: 1, request } } as unknown as RequestContext;
  const ask = (count: number) => {
    for (let i = 0; i < count; i++) {
      const frame = { id: `r${i}`, type: 'session.get', timestamp: 0, data: { session: 'agent:main:main' } };
      const bytes = Uint8Array.from(encodeFrame(frame)).buffer;
      handleMessage(context, connection, bytes, true);
      new Uint8Array(bytes).fill(0); // as uWebSockets.js does, which uses its memory again
    }
  };
  const goDown = () => {
    down = true;
  };
  return { passedOn, refused, connection, ask, goDown };
}

const names = (first: number, end: number) => Array.from({ length: end - first }, (_, i) => `r${first + i}`);

describe('a connection that asks for much at once', () => {
  it('has 64 requests with the shards; the others follow in their order, one for each that is answered', () => {
    const { passedOn, connection, ask } = setUp();
    ask(200);
    expect(passedOn).toEqual(names(0, 64));
    expect(connection.inFlight).toBe(200);
    connection.answered();
    connection.answered();
    expect(passedOn).toEqual(names(0, 66));
    while (connection.inFlight > 0) connection.answered();
    expect(passedOn).toEqual(names(0, 200));
  });

  it('is told of each request that waited when the shards are gone', () => {
    const { passedOn, refused, connection, ask, goDown } = setUp();
    ask(66);
    goDown();
    connection.answered();
    expect(passedOn).toEqual(names(0, 64));
    expect(refused).toEqual(['r64 unavailable', 'r65 unavailable']);
    expect(connection.inFlight).toBe(63);
  });
});
