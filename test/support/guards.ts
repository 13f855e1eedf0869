/**
 * The guards that promises rest on, each with the mutant that switches it off and the test that must notice. `from` stands
 * exactly once in the file. `slow`: over some three seconds, looked at with `npm run test:faults` only.
 */
export interface Guard {
  /** What it keeps from happening. */
  guard: string;
  file: string;
  from: string;
  to: string;
  test: string;
  slow?: true;
}

export const GUARDS: readonly Guard[] = [
  {
    guard: 'a call that a rule forbids is not made',
    file: 'src/tools/gate.ts',
    from: "if (rating.risk === 'forbid') return",
    to: 'if (String(rating.risk) === "never") return',
    test: 'test/end-to-end/policy.test.ts',
    slow: true,
  },
  {
    guard: 'a call that needs an operator waits for one',
    file: 'src/tools/gate.ts',
    from: "if (rating.risk === 'safe') return undefined;",
    to: "if (rating.risk !== 'forbid') return undefined;",
    test: 'test/tools/registry.test.ts',
  },
  {
    guard: "an operator's no is a no",
    file: 'src/tools/gate.ts',
    from: 'if (!verdict.allowed) return',
    to: 'if (verdict === undefined) return',
    test: 'test/tools/registry.test.ts',
  },
  {
    guard: 'what changed since the approval is not run',
    file: 'src/tools/gate.ts',
    from: 'if (changed === undefined) return undefined;',
    to: 'if (changed !== null) return undefined;',
    test: 'test/actors/approvals.test.ts',
  },
  {
    guard: 'deny wins',
    file: 'src/tools/policy.ts',
    from: 'if (entry !== undefined) return { allowed: false,',
    to: "if (entry === '') return { allowed: false,",
    test: 'test/tools/policy.test.ts',
  },
  {
    guard: 'what no level allows is not there',
    file: 'src/tools/policy.ts',
    from: 'if (outside !== undefined) return',
    to: 'if (outside === null) return',
    test: 'test/tools/policy.test.ts',
  },
  {
    guard: 'no rule lowers what the tool itself forbids',
    file: 'src/tools/risk.ts',
    from: "if (call.own === 'forbid') return { risk: 'forbid', rule: 'the tool itself' };",
    to: '',
    test: 'test/tools/risk.test.ts',
  },
  {
    guard: 'a rule that says safe speaks of every field',
    file: 'src/tools/risk.ts',
    from: 'if (cautious && !isWhole) return false;',
    to: '',
    test: 'test/tools/risk.test.ts',
  },
  {
    guard: 'a model is told what comes from outside',
    file: 'src/tools/registry.ts',
    from: 'return untrusted ? { output: framed(output, call.name), failed, untrusted } : { output, failed };',
    to: 'return { output, failed };',
    test: 'test/tools/untrusted.test.ts',
  },
  {
    guard: 'a model that obeys injected texts has no denied tool',
    file: 'src/tools/registry.ts',
    from: 'if (!of.has(call.name)) return failure(this.#absence(call.name, of));',
    to: 'of = this.#tools;',
    test: 'test/security/row25-policy.test.ts',
    slow: true,
  },
  {
    guard: 'private addresses are not reached',
    file: 'src/tools/web/network.ts',
    from: 'if (reason !== undefined) throw',
    to: "if (reason === '') throw",
    test: 'test/security/row14-ssrf.test.ts',
  },
  {
    guard: 'a connection goes to the address that was checked',
    file: 'src/tools/web/network.ts',
    from: 'for (const address of addresses) this.#checkAddress(address, target, trusted);',
    to: '',
    test: 'test/security/row14-ssrf.test.ts',
  },
  {
    guard: 'cloud metadata is not served through a name of the operator',
    file: 'src/tools/web/network.ts',
    from: 'if (isMetadata(address)) {',
    to: 'if (address === "") {',
    test: 'test/tools/web/network.test.ts',
  },
  {
    guard: 'where a redirect leads is looked at',
    file: 'src/tools/web/request.ts',
    from: 'if (redirects === redirectsMax) throw',
    to: 'if (redirects === 100) throw',
    test: 'test/security/row14-ssrf.test.ts',
  },
  {
    guard: 'a path does not leave the workspace',
    file: 'src/tools/files/path.ts',
    from: 'if (segments.pop() === undefined) throw outside(path);',
    to: 'if (segments.pop() === undefined) segments.push(name);',
    test: 'test/security/row15-files.test.ts',
  },
  {
    guard: 'links are not followed',
    file: 'src/tools/files/descriptor.ts',
    from: 'export const OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;',
    to: 'export const OPEN_FOLDER = O_RDONLY | O_DIRECTORY;',
    test: 'test/security/row15-files.test.ts',
  },
  {
    guard: 'a hard link is not read',
    file: 'src/tools/files/folder.ts',
    from: 'if (stats.nlink > 1) {',
    to: 'if (stats.nlink > 1_000) {',
    test: 'test/security/row15-files.test.ts',
  },
  {
    guard: 'commands in a sandbox see no other files and no network',
    file: 'src/tools/exec/exec.ts',
    from: 'sandbox: caller.sandboxed ? { network, readOnly } : undefined,',
    to: 'sandbox: undefined,',
    test: 'test/security/row15-exec.test.ts',
  },
  {
    guard: 'a program of a model ends when its time is up',
    file: 'src/tools/sandbox/guest.mjs',
    from: "this.#timer = setTimeout(() => this.#end({ status: 'cut', cut: 'time', lateMs: 0 }, now + leftMs), leftMs);",
    to: '',
    test: 'test/tools/sandbox-pool.test.ts',
    slow: true,
  },
  {
    guard: 'a program of a model ends when it has used its processor time',
    file: 'src/tools/sandbox/guest.mjs',
    from: "if (cpuMs > this.#program.limits.cpuMs) return this.cut('cpu');",
    to: '',
    test: 'test/tools/sandbox-pool.test.ts',
    slow: true,
  },
  {
    guard: 'a frame is no deeper than promised',
    file: 'src/protocol/skim.ts',
    from: 'if (depth >= DEPTH_MAX) throw',
    to: 'if (depth >= 1e9) throw',
    test: 'test/protocol/skim.test.ts',
  },
  {
    guard: 'a request needs its scope',
    file: 'src/gateway/requests.ts',
    from: 'checkScope(connection.scopeBits, head.type);',
    to: '',
    test: 'test/security/row07-scopes.test.ts',
  },
  {
    guard: 'pages of other origins do not connect',
    file: 'src/gateway/host-check.ts',
    from: "return known && (origin === '' ||",
    to: "return known && (origin !== '-' ||",
    test: 'test/security/row08-origin-host.test.ts',
  },
  {
    guard: 'ten failures lock an address out',
    file: 'src/gateway/attempts.ts',
    from: 'this.#lockedUntil[slot] = now + LOCKOUT_MS;',
    to: '',
    test: 'test/security/row24-brute-force.test.ts',
  },
  {
    guard: 'a forged webhook of Slack is refused',
    file: 'src/channels/slack/webhook.ts',
    from: 'return same && Math.abs',
    to: 'return same !== undefined && Math.abs',
    test: 'test/channels/slack-webhook.test.ts',
  },
  {
    guard: 'an old webhook of Slack is refused',
    file: 'src/channels/slack/webhook.ts',
    from: 'Math.abs(Date.now() / 1_000 - Number(time)) <= SKEW_S',
    to: 'Number(time) > 0',
    test: 'test/channels/slack-webhook.test.ts',
  },
  {
    guard: 'a forged webhook of Telegram is refused',
    file: 'src/channels/telegram/webhook.ts',
    from: "return timingSafeEqual(digest(given ?? ''), digest(secret)) && secret !== '';",
    to: "return timingSafeEqual(digest(''), digest('')) && given !== '-';",
    test: 'test/channels/telegram-webhook.test.ts',
  },
  {
    guard: 'three people wait to be paired, and no more',
    file: 'src/inbound/pairing.ts',
    from: "if (pending.length >= PENDING_MAX) return { type: 'silent', reason: 'full' };",
    to: '',
    test: 'test/inbound/pairing.test.ts',
  },
  {
    guard: 'a budget is not passed',
    file: 'src/agent/budget.ts',
    from: 'if (tokens !== undefined && spent.tokens >= tokens) return',
    to: 'if (tokens !== undefined && spent.tokens < 0) return',
    test: 'test/agent/budget.test.ts',
  },
  {
    guard: 'a message is acknowledged when it is on the disk',
    file: 'actors/session/inbox.ts',
    from: '    await kept;\n    failpoint',
    to: '    failpoint',
    test: 'test/faults/row29-disk-full.test.ts',
  },
  {
    guard: 'the same key is one turn',
    file: 'actors/session/inbox.ts',
    from: 'this.#store.keys.put(batch, this.#session, key, owner, now);',
    to: '',
    test: 'test/end-to-end/idempotency.test.ts',
  },
  {
    guard: 'the same key twice at once is one turn',
    file: 'actors/session/inbox.ts',
    from: 'return this.#arriving.get(arrivingKey(this.#session, key)) ??',
    to: 'return',
    test: 'test/actors/arrival.test.ts',
  },
];
