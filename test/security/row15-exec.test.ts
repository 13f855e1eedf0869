/**
 * Goal: a command in the sandbox reaches nothing but the workspace and the system's programs (scorecard 15): not the token,
 * the data folder, the gateway's secrets, processes or port. Method: commands that try, beside a gateway, each tried
 * without the sandbox too, where it succeeds: so that it is the sandbox that stops it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { localGateway } from '../support/gateway.ts';
import { CANARY, NO_BUBBLEWRAP, toolBench } from '../support/tool-bench.ts';
import { until } from '../support/wait.ts';

const SANDBOXED = { sandboxed: true };

describe.skipIf(NO_BUBBLEWRAP !== undefined)(
  `row 15: a command in the sandbox${NO_BUBBLEWRAP === undefined ? '' : ` (${NO_BUBBLEWRAP})`}`,
  () => {
    it('reads no file outside: the token, the data folder, /etc, other workspaces', async () => {
      const { ok, home, outside, workspace } = await toolBench();
      const other = join(home, 'agents', 'other');
      await mkdir(other);
      await writeFile(join(other, 'SOUL.md'), CANARY);
      await symlink(join(home, 'token'), join(workspace, 'link'));
      const attempts = [
        `cat ${home}/token`,
        'cat ../../token',
        'cat link',
        `cat ${outside}/secret.txt`,
        `cat ${other}/SOUL.md`,
        `grep -r ${CANARY} ${home}/.. `,
      ];
      for (const command of attempts) {
        expect(await ok('exec', { command })).toContain(CANARY);
        expect(await ok('exec', { command }, SANDBOXED)).not.toContain(CANARY);
      }
      expect(await ok('exec', { command: 'ls -a / /home /root /etc /var /run /sys 2>&1' }, SANDBOXED)).not.toMatch(
        /shadow|ssh|sudoers|dhaavak/,
      );
      expect(await ok('exec', { command: `ls -A ${home} ${home}/agents` }, SANDBOXED)).not.toMatch(/token|other/);
    });

    it('reads it neither where the data folder is inside of the workspace, or below what may be read', async () => {
      const inside = await toolBench({ workspaceIn: (folder) => folder });
      await inside.put('home/agents/x', '');
      expect(await inside.ok('exec', { command: 'cat home/token; ls -A home; touch home/x' }, SANDBOXED)).not.toMatch(
        new RegExp(`${CANARY}|agents`),
      );
      // A data folder that is reached by a link is where that leads to.
      const linked = await toolBench({ workspaceIn: (folder) => join(folder, 'workspace') });
      const home2 = join(linked.workspace, 'data');
      await rename(linked.home, home2);
      await symlink(home2, linked.home);
      const leaked = await linked.ok('exec', { command: 'cat data/token; ls -A data' }, SANDBOXED);
      expect(leaked).not.toMatch(new RegExp(`${CANARY}|token$`, 'm'));
      expect(await linked.ok('exec', { command: 'cat data/token' })).toContain(CANARY);
      const below = await toolBench({ tools: { exec: { readOnly: ['/tmp'] } } });
      const { home, outside, workspace } = below;
      const output = await below.ok(
        'exec',
        { command: `cat ${outside}/secret.txt; cat ${home}/token; pwd` },
        SANDBOXED,
      );
      expect(output.match(new RegExp(CANARY, 'g'))).toHaveLength(1);
      expect(output).toContain(workspace);
    });

    it('writes nowhere but in the workspace and a /tmp of its own', async () => {
      const { ok, outside, home, get } = await toolBench();
      const targets = ['/usr/bin/x', '/etc/x', '/x', '/var/x', '/dev/x'];
      const kernel = ['sys/kernel/hostname', 'sys/kernel/core_pattern', 'sysrq-trigger', 'irq/default_smp_affinity'];
      // Opened to be written, and nothing written.
      const open = (path: string) => `(: >> ${path}) 2>/dev/null && echo wrote ${path}`;
      const command = [...targets, ...kernel.map((name) => `/proc/${name}`)].map(open).join('; ');
      const own = `echo mine > made; echo t > /tmp/row15 && echo tmp; touch ${outside} ${outside}/x ${home}/x 2>/dev/null`;
      expect(await ok('exec', { command: `${command}; ${own}; true` }, SANDBOXED)).toBe('exit code 0\ntmp');
      expect(await readdir(outside)).toEqual(['secret.txt']);
      expect((await readdir(home)).toSorted()).toEqual(['agents', 'token']);
      expect(await get('made')).toBe('mine\n');
      expect(await ok('exec', { command: 'ls /tmp/row15' }, SANDBOXED)).not.toContain('exit code 0');
      expect(await ok('exec', { command: 'head -c 400M /dev/zero > /tmp/big; echo $?' }, SANDBOXED)).toMatch(
        /No space|1$/,
      );
    });

    it('knows no secret of the environment, and sees no process but its own', async () => {
      vi.stubEnv('ANTHROPIC_API_KEY', CANARY);
      onTestFinished(() => void vi.unstubAllEnvs());
      const secret = spawn('sleep', ['1000'], { env: { ...process.env, SECRET: CANARY } });
      onTestFinished(async () => {
        secret.kill('SIGKILL');
        await once(secret, 'exit');
      });
      const { ok } = await toolBench();
      const environments = 'for f in /proc/[0-9]*/environ; do tr "\\0" "\\n" < $f; done 2>/dev/null';
      expect(await ok('exec', { command: `${environments} | grep CANARY` })).toContain(CANARY);
      expect(await ok('exec', { command: `${environments}; env` }, SANDBOXED)).not.toContain(CANARY);
      const seen = await ok(
        'exec',
        { command: 'cat /proc/[0-9]*/cmdline | tr "\\0" " "; ls -d /proc/[0-9]*' },
        SANDBOXED,
      );
      expect(seen).not.toMatch(/vitest|host\.ts|sleep 1000/);
      expect(seen.match(/\/proc\/\d+/g)?.length).toBeLessThan(8);
      expect(await ok('exec', { command: `kill -0 ${secret.pid} && echo reached` })).toContain('reached');
      expect(await ok('exec', { command: `kill -0 ${secret.pid} && echo reached` }, SANDBOXED)).not.toContain(
        'reached',
      );
      // Nor through what the one who started it has open.
      expect(await ok('exec', { command: 'ls -l /proc/self/fd /proc/1/fd 2>&1' }, SANDBOXED)).not.toMatch(
        /home|store|token/,
      );
    });

    it('reaches no port of the machine, the gateway’s neither; unless the network is allowed', async () => {
      const { httpUrl } = await localGateway();
      const { port } = new URL(httpUrl);
      const command = `bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && echo connected' 2>&1; cat /proc/net/route | wc -l`;
      const { ok } = await toolBench();
      expect(await ok('exec', { command })).toContain('connected');
      const closed = await ok('exec', { command }, SANDBOXED);
      expect(closed).not.toContain('connected');
      expect(closed).toContain('refused');
      const open = await toolBench({ tools: { exec: { network: true } } });
      expect(await open.ok('exec', { command }, SANDBOXED)).toContain('connected');
    });

    it('has limits: processes, files, memory files, no dumps', async () => {
      const { ok } = await toolBench();
      const limits = await ok('exec', { command: 'cat /proc/self/limits' }, SANDBOXED);
      expect(limits).toMatch(/Max processes +256 +256 /);
      expect(limits).toMatch(/Max file size +1073741824 /);
      expect(limits).toMatch(/Max core file size +0 /);
      expect(await ok('exec', { command: 'df -m --output=size /tmp /dev/shm' }, SANDBOXED)).toMatch(/256\s+64$/);
    });

    it('has no capability, and makes no namespace', async () => {
      const { ok } = await toolBench();
      const status = await ok('exec', { command: 'grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status' }, SANDBOXED);
      expect(status).toMatch(/CapEff:\s0{16}\nCapBnd:\s0{16}\nNoNewPrivs:\s1/);
      expect(
        await ok('exec', { command: 'unshare --user --map-root-user true && echo made' }, SANDBOXED),
      ).not.toContain('made');
      expect(await ok('exec', { command: 'mount -t tmpfs x /tmp && echo mounted' }, SANDBOXED)).not.toContain(
        'mounted',
      );
    });
  },
);

/** In a process that is killed: what it has started must end. */
const KILLED = fileURLToPath(new URL('../support/exec-process.ts', import.meta.url));

if (NO_BUBBLEWRAP !== undefined) it.skip(`the same in the sandbox: ${NO_BUBBLEWRAP}`);

describe.each(NO_BUBBLEWRAP === undefined ? [false, true] : [false])(
  'row 15: kill -9 of the gateway, sandboxed: %s',
  (sandboxed) => {
    it('leaves none of its commands running', async () => {
      const { workspace, home } = await toolBench();
      const child = spawn(process.execPath, ['--no-warnings', KILLED, home, workspace, String(sandboxed)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      const alive = async () => {
        const before = await readFile(join(workspace, 'beats'), 'utf8').catch(() => '');
        await new Promise((resolve) => setTimeout(resolve, 300));
        return (await readFile(join(workspace, 'beats'), 'utf8').catch(() => '')) !== before;
      };
      expect(await alive()).toBe(true);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await until(10_000, async () => !(await alive()) || undefined, 'the end of the commands');
    });
  },
);
