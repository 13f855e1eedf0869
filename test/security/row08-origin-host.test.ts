/**
 * Goal: no page of somebody else gets a connection, by its own name or by one that was made to resolve here (scorecard 8,
 * without the browser). Method: hostile forms of Origin and Host, sent by hand, to the upgrade and to HTTP.
 */
import { describe, expect, it } from 'vitest';
import { HostCheck } from '../../src/gateway/host-check.ts';
import { localGateway } from '../support/gateway.ts';
import { head, rawHttp, UPGRADE } from '../support/raw-http.ts';

const APP = 'https://app.example.org';

const hostileOrigins = (port: string): string[] => [
  'null',
  'NULL',
  'http://evil.example',
  'https://evil.example',
  `http://evil.example:${port}`,
  `https://127.0.0.1:${port}`,
  'http://127.0.0.1',
  'http://127.0.0.1:80',
  'http://127.0.0.1:1',
  `http://127.0.0.1:${port}0`,
  `http://127.0.0.1:${port}.evil.example`,
  `http://127.0.0.1.evil.example:${port}`,
  `http://evil.example/127.0.0.1:${port}`,
  `http://127.0.0.1:${port}@evil.example`,
  `http://evil.example#http://127.0.0.1:${port}`,
  `http://evil.example?127.0.0.1:${port}`,
  `http://user@127.0.0.1:${port}`,
  `http://127.0.0.1:${port}/`,
  `http://127.0.0.1:${port}/page`,
  `http://127.1:${port}`,
  `http://2130706433:${port}`,
  `http://0x7f000001:${port}`,
  `http://127.0.0.2:${port}`,
  `http://localhost:${port}`,
  `http://localhost.evil.example:${port}`,
  `http://[::1]:${port}`,
  `ws://127.0.0.1:${port}`,
  `file://127.0.0.1:${port}`,
  'file://',
  `//127.0.0.1:${port}`,
  `127.0.0.1:${port}`,
  `http:127.0.0.1:${port}`,
  `HTTP://127.0.0.1:${port}`,
  `http://127.0.0.1:${port} http://evil.example`,
  `http://evil.example, http://127.0.0.1:${port}`,
  'chrome-extension://abcdefghijklmnop',
  'data:text/html,x',
  `${APP}.evil.example`,
  `${APP}:443`,
  `${APP}/`,
  'http://app.example.org',
  'https://APP.example.org',
  '*',
];

const hostileHosts = (port: string): string[] => [
  '',
  'evil.example',
  `evil.example:${port}`,
  `127.0.0.1.evil.example:${port}`,
  `localhost.evil.example:${port}`,
  `evil.localhost:${port}`,
  `localhost.:${port}`,
  `127.1:${port}`,
  `2130706433:${port}`,
  `0x7f.0.0.1:${port}`,
  `0177.0.0.1:${port}`,
  `127.0.0.1.:${port}`,
  `127.0.0.256:${port}`,
  `127.0.0:${port}`,
  `0.0.0.0:${port}`,
  `192.168.1.10:${port}`,
  `[::]:${port}`,
  `[::2]:${port}`,
  `[::ffff:10.0.0.1]:${port}`,
  `::1:${port}`,
  `[::1:${port}`,
  `evil.example@127.0.0.1:${port}`,
  `127.0.0.1:${port}@evil.example`,
  `127.0.0.1:${port}/evil.example`,
  `127.0.0.1:${port}, evil.example`,
  `127.0.0.1 evil.example:${port}`,
  `127.0.0.1:`,
  '127.0.0.1:port',
  '127.0.0.1:1234567',
  `gateway.example.evil:${port}`,
];

const CONFIG = { gateway: { origins: [APP], hosts: ['gateway.example'] } };

describe('the upgrade', () => {
  it('is refused to every hostile Origin, and so is HTTP', async () => {
    const { httpUrl, token } = await localGateway(CONFIG);
    const { host, port } = new URL(httpUrl);
    const origins = hostileOrigins(port);
    expect(origins.length).toBeGreaterThanOrEqual(30);
    for (const origin of origins) {
      const lines = [`Host: ${host}`, `Origin: ${origin}`, `Authorization: Bearer ${token}`];
      const statuses = [
        await rawHttp(httpUrl, { text: head('/ws', [...lines, ...UPGRADE]) }),
        await rawHttp(httpUrl, { text: head('/status', lines) }),
      ];
      expect([origin, ...statuses]).toEqual([origin, 403, 403]);
    }
  });

  it('is refused to every hostile Host, with or without the Origin of that name', async () => {
    const { httpUrl, token } = await localGateway(CONFIG);
    const hosts = hostileHosts(new URL(httpUrl).port);
    expect(hosts.length).toBeGreaterThanOrEqual(20);
    for (const host of hosts) {
      for (const more of [[], [`Origin: http://${host}`]]) {
        const lines = [`Host: ${host}`, `Authorization: Bearer ${token}`, ...more];
        const statuses = [
          await rawHttp(httpUrl, { text: head('/ws', [...lines, ...UPGRADE]) }),
          await rawHttp(httpUrl, { text: head('/health', lines) }),
        ];
        for (const status of statuses) expect([host, status]).toEqual([host, expect.toSatisfy(isRefusal)]);
      }
    }
  });

  it('is granted without an Origin, to the own page, to a configured one, and by every name of the gateway', async () => {
    const { httpUrl } = await localGateway(CONFIG);
    const { host, port } = new URL(httpUrl);
    const good = [
      [`Host: ${host}`],
      [`Host: ${host}`, `Origin: http://${host}`],
      [`Host: ${host}`, `Origin: ${APP}`],
      [`Host: localhost:${port}`, `Origin: http://localhost:${port}`],
      [`Host: LOCALHOST:${port}`],
      [`Host: [::1]:${port}`],
      ['Host: 127.0.0.1'],
      ['Host: gateway.example'],
      [`Host: gateway.example:${port}`, `Origin: http://gateway.example:${port}`],
    ];
    for (const lines of good) {
      expect([lines, await rawHttp(httpUrl, { text: head('/ws', [...lines, ...UPGRADE]) })]).toEqual([lines, 101]);
    }
  });
});

/** 400 is what uWebSockets.js itself says to a head that is not HTTP, such as one with an empty Host; 0: it hangs up. */
function isRefusal(status: number): boolean {
  return [403, 400, 0].includes(status);
}

describe('a gateway that listens on every address', () => {
  it('is reached by any literal address, and by no name but its own', () => {
    const rules = { hosts: ['gateway.example'], origins: [], tls: true };
    for (const host of ['0.0.0.0', '::']) {
      const check = new HostCheck({ host, ...rules });
      for (const good of ['192.168.1.10:18789', '[2001:db8::1]:443', 'gateway.example']) {
        expect([good, check.allows(good, '')]).toEqual([good, true]);
        expect(check.allows(good, `https://${good}`)).toBe(true);
        expect(check.allows(good, `http://${good}`)).toBe(false);
      }
      for (const bad of ['evil.example', '1.2.3', '[1.2.3.4]', '[::g]']) expect(check.allows(bad, '')).toBe(false);
    }
  });
});
