/**
 * Goal: ten failed logins in 60 seconds lock an address out for 5 minutes, exactly, at a bounded cost (scorecard 24).
 * Method: the counting under a clock of the test; then the doors of a gateway, from loopback addresses of their own.
 */
import { randomInt } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { addressOf } from '../../src/gateway/address.ts';
import {
  ADDRESSES_MAX,
  FAILURE_WINDOW_MS,
  FAILURES_MAX,
  FailedAttempts,
  LOCKOUT_MS,
} from '../../src/gateway/attempts.ts';
import { localGateway } from '../support/gateway.ts';
import { head, rawHttp, UPGRADE } from '../support/raw-http.ts';
import { openRaw } from '../support/raw-socket.ts';
import { helloData } from '../support/wire-client.ts';

/** Memory in use, of what the garbage collector leaves. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function counting() {
  const clock = { now: 1_000 };
  return { clock, attempts: new FailedAttempts(() => clock.now) };
}

describe('failed logins of an address', () => {
  it('lock it out with the tenth in 60 seconds, for 5 minutes to the millisecond, and no other', () => {
    const { clock, attempts } = counting();
    for (let i = 1; i < FAILURES_MAX; i += 1) expect(attempts.failed('a')).toBe(false);
    clock.now += FAILURE_WINDOW_MS - 1;
    expect(attempts.lockedForMs('a')).toBe(0);
    expect(attempts.failed('a')).toBe(true);
    expect(attempts.lockedForMs('a')).toBe(LOCKOUT_MS);
    expect(attempts.lockedForMs('b')).toBe(0);
    clock.now += LOCKOUT_MS - 1;
    expect(attempts.lockedForMs('a')).toBe(1);
    clock.now += 1;
    expect(attempts.lockedForMs('a')).toBe(0);
    for (let i = 1; i < FAILURES_MAX; i += 1) expect(attempts.failed('a')).toBe(false);
    expect(attempts.failed('a')).toBe(true);
    expect([FAILURES_MAX, FAILURE_WINDOW_MS, LOCKOUT_MS]).toEqual([10, 60_000, 300_000]);
  });

  it('that are 60 seconds apart, first to tenth, do not', () => {
    const { clock, attempts } = counting();
    for (let i = 1; i < FAILURES_MAX; i += 1) attempts.failed('a');
    clock.now += FAILURE_WINDOW_MS;
    expect(attempts.failed('a')).toBe(false);
    for (let i = 0; i < 100; i += 1) {
      clock.now += Math.ceil(FAILURE_WINDOW_MS / (FAILURES_MAX - 1));
      expect(attempts.failed('slow')).toBe(false);
    }
  });

  it('are counted as a list of all times would count them', () => {
    const { clock, attempts } = counting();
    const times = new Map<string, number[]>();
    const locked = new Map<string, number>();
    for (let i = 0; i < 50_000; i += 1) {
      clock.now += randomInt(1_500);
      const address = `a${randomInt(5)}`;
      const isLocked = (locked.get(address) ?? 0) > clock.now;
      expect(attempts.lockedForMs(address) > 0).toBe(isLocked);
      if (isLocked) continue;
      const recent = [...(times.get(address) ?? []), clock.now].filter((at) => clock.now - at < FAILURE_WINDOW_MS);
      const locks = recent.length >= FAILURES_MAX;
      if (locks) locked.set(address, clock.now + LOCKOUT_MS);
      times.set(address, locks ? [] : recent);
      expect(attempts.failed(address)).toBe(locks);
    }
  });

  it('of 100,000 addresses, nine each, cost less than 32 MB, and more addresses cost no more', () => {
    const { attempts } = counting();
    const before = usedBytes();
    for (let round = 1; round < FAILURES_MAX; round += 1) {
      for (let i = 0; i < ADDRESSES_MAX; i += 1) attempts.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    }
    expect(attempts.size).toBe(ADDRESSES_MAX);
    expect(usedBytes() - before).toBeLessThan(32 * 1024 * 1024);
    expect(attempts.failed('10.1.134.159')).toBe(true); // all of them are remembered
    for (let i = 0; i < ADDRESSES_MAX; i += 1) attempts.failed(`one more ${i}`);
    expect(usedBytes() - before).toBeLessThan(32 * 1024 * 1024);
    expect(attempts.size).toBe(ADDRESSES_MAX); // and so it is still there when it is measured
  });

  it('that do not count any more are forgotten', () => {
    const { clock, attempts } = counting();
    for (let i = 0; i < 1_000; i += 1) attempts.failed(`old ${i}`);
    clock.now += FAILURE_WINDOW_MS;
    for (let i = 0; i < 1_000; i += 1) attempts.failed(`new ${i}`);
    expect(attempts.size).toBeLessThanOrEqual(1_001);
  });
});

describe('a gateway', () => {
  it('after ten wrong tokens refuses that address at every door, with the right token too, and others not', async () => {
    const gateway = await localGateway();
    const [guesser, other] = ['127.0.3.1', '127.0.3.2'];
    const host = `Host: ${new URL(gateway.httpUrl).host}`;
    const early = await openRaw(gateway.url, undefined, guesser);
    for (let i = 0; i < FAILURES_MAX; i += 1) {
      if (i % 2 === 0) {
        const raw = await openRaw(gateway.url, undefined, guesser);
        raw.write([{ id: 'h', type: 'hello', data: helloData(`wrong ${i}`) }]);
        expect(await raw.closed).toBe(4401);
      } else {
        const text = head('/status', [host, `Authorization: Bearer wrong-${i}`]);
        expect(await rawHttp(gateway.httpUrl, { text, localAddress: guesser })).toBe(401);
      }
    }
    early.write([{ id: 'h', type: 'hello', data: helloData(gateway.token) }]);
    expect(await early.closed).toBe(4430);
    const error = early.frames[0]?.error;
    expect(error).toMatchObject({ code: 'rate_limited', retryable: true });
    expect(error?.retryAfterMs).toBeGreaterThan(LOCKOUT_MS - 15_000);
    const doors = [head('/ws', [host, ...UPGRADE]), head('/status', [host, `Authorization: Bearer ${gateway.token}`])];
    for (const text of doors) {
      expect(await rawHttp(gateway.httpUrl, { text, localAddress: guesser })).toBe(429);
    }
    expect(await rawHttp(gateway.httpUrl, { text: head('/health', [host]), localAddress: guesser })).toBe(200);
    const raw = await openRaw(gateway.url, gateway.token, other);
    expect(raw.frames[0]?.type).toBe('welcome');
    expect((await (await gateway.connect()).ask('status')).counters).toMatchObject({ loginsFailed: 10, lockouts: 1 });
  });
});

describe('an address', () => {
  it('is the four bytes of IPv4, mapped too, or the network of 64 bits of IPv6', () => {
    const of = (...bytes: number[]) => addressOf(new Uint8Array(bytes).buffer);
    const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];
    expect(of(...mapped, 10, 0, 0, 1)).toEqual(of(10, 0, 0, 1));
    expect(of(...mapped, 127, 0, 0, 1)).toEqual({ ...of(127, 0, 0, 1), loopback: true });
    const v6 = (host: number, network = 1) => of(32, 1, 13, 184, 0, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, host);
    expect(v6(1)).toEqual(v6(2));
    expect(v6(1).address).not.toBe(v6(1, 2).address);
    expect(of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1).loopback).toBe(true);
  });
});
