/**
 * The sandbox of commands: bubblewrap. Inside there are the system's programs (read-only), the workspace, a /tmp and a
 * /proc of its own; no other file of the machine, no other process, no capability, no network unless it is allowed.
 */
import { execFile } from 'node:child_process';
import { lstatSync, readlinkSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { promisify } from 'node:util';
import { codeOf } from '../files/descriptor.ts';
import type { Command } from './command.ts';
import { limited } from './limits.ts';

/** In bytes: both are memory. */
const TMP_BYTES_MAX = 256 * 1_048_576;
const SHARED_MEMORY_BYTES_MAX = 64 * 1_048_576;
/** Without room: what is below is hidden. */
const HIDDEN_BYTES = 4_096;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** How long making an empty sandbox may take, in milliseconds: some 10 on an idle machine. */
const PROBE_TIMEOUT_MS = 15_000;
/** How long a sandbox that could not be made is not tried again, in milliseconds. */
const PROBE_AGAIN_MS = 30_000;
/** What programs need of /etc. Not /etc itself: services keep their keys there. */
const ETC = [
  'alternatives',
  'ca-certificates',
  'group',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'mime.types',
  'nsswitch.conf',
  'passwd',
  'pki/tls/certs',
  'protocols',
  'services',
  'ssl/certs',
  'ssl/openssl.cnf',
  'timezone',
];
const ETC_NETWORK = ['hosts', 'resolv.conf'];

export class Sandbox {
  readonly #program: string;
  readonly #system = systemFolders();
  #probe: Promise<string | readonly string[]> | undefined;

  /** `program`: bubblewrap, looked for in PATH. */
  constructor(program = 'bwrap') {
    this.#program = program;
  }

  /** The program and arguments that run the command inside. Throws an Error that says why no sandbox can be made. */
  async wrap(command: Command): Promise<string[]> {
    this.#probe ??= this.#try();
    const isolation = await this.#probe;
    if (typeof isolation === 'string') throw new Error(isolation);
    return [
      this.#program,
      ...isolation,
      ...(await this.#view(command)),
      '--',
      // Bubblewrap sets no limits, and only inside do they count what is inside.
      ...limited(command.argv, command.limits, 'sandbox'),
    ];
  }

  /** What is seen inside. */
  async #view({ root, home, folder, env, sandbox }: Command): Promise<string[]> {
    const { network = false, readOnly = [] } = sandbox ?? {};
    const etc = network ? [...ETC, ...ETC_NETWORK] : ETC;
    const hidden = await Promise.all(['/usr', ...readOnly].map((path) => placeIn(path, home)));
    const hiddenInside = await placeIn(root, home);
    return [
      ...(network ? ['--share-net'] : []),
      ...this.#system,
      ...etc.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
      // For a gateway that runs as root: without a capability, root still owns the settings of the kernel in /proc/sys.
      ...['--proc', '/proc', '--remount-ro', '/proc', '--dev', '/dev'],
      ...['--size', String(SHARED_MEMORY_BYTES_MAX), '--tmpfs', '/dev/shm', '--remount-ro', '/dev'],
      ...['--size', String(TMP_BYTES_MAX), '--perms', '1777', '--tmpfs', '/tmp'],
      ...readOnly.flatMap((path) => ['--ro-bind-try', path, path]),
      ...hidden.flatMap(hide),
      ...['--bind', root, root],
      ...hide(hiddenInside),
      // After the workspace, which may be in one of them.
      ...[...hidden, hiddenInside].flatMap((path) => (path === undefined ? [] : ['--remount-ro', path])),
      ...['--remount-ro', '/', '--chdir', [root, ...folder].join('/'), '--clearenv'],
      ...Object.entries({ ...env, PATH, HOME: root }).flatMap(([name, value]) => ['--setenv', name, value]),
    ];
  }

  /** The arguments that isolate, as this bubblewrap and kernel take them; or why there are none. */
  async #try(): Promise<string | readonly string[]> {
    const basic = ['--unshare-all', '--unshare-user', '--die-with-parent', '--new-session', '--cap-drop', 'ALL'];
    const named = [...basic, '--hostname', 'sandbox'];
    let problem = '';
    // No namespaces inside of the sandbox: much of what the kernel got wrong needed one. Bubblewrap has it since 0.8.
    for (const isolation of [[...named, '--disable-userns'], named]) {
      try {
        const view = [...this.#system, '--proc', '/proc', '--remount-ro', '/proc', '--dev', '/dev'];
        await promisify(execFile)(this.#program, [...isolation, ...view, '--', 'true'], { timeout: PROBE_TIMEOUT_MS });
        return isolation;
      } catch (error) {
        problem = this.#reason(error);
      }
    }
    setTimeout(() => {
      this.#probe = undefined;
    }, PROBE_AGAIN_MS).unref();
    return problem;
  }

  #reason(error: unknown): string {
    const refused = 'the command was not run: this session is kept in a sandbox, and';
    if (codeOf(error) === 'ENOENT') {
      return `${refused} bubblewrap (bwrap) is not installed on the gateway's machine. An operator can install it.`;
    }
    const said = String((error as { stderr?: unknown }).stderr ?? '').trim() || String(error);
    return `${refused} bubblewrap cannot make one here: ${said.slice(0, 300)}. An operator can allow user namespaces.`;
  }
}

/** Some systems have /bin and its like as links into /usr, others as folders. */
function systemFolders(): string[] {
  const view = ['--ro-bind', '/usr', '/usr'];
  for (const path of ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']) {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink()) view.push('--symlink', readlinkSync(path), path);
    else if (stats?.isDirectory()) view.push('--ro-bind', path, path);
  }
  return view;
}

/** An empty folder in the place of what is there. */
function hide(path: string | undefined): string[] {
  return path === undefined ? [] : ['--size', String(HIDDEN_BYTES), '--tmpfs', path];
}

/** Where `home` is seen inside when `folder` is, both with their links resolved; undefined: nowhere. */
async function placeIn(folder: string, home: string): Promise<string | undefined> {
  const real = (path: string): Promise<string> => realpath(path).catch(() => path);
  const [realFolder, realHome] = await Promise.all([real(folder), real(home)]);
  const prefix = realFolder.endsWith('/') ? realFolder : `${realFolder}/`;
  if (!`${realHome}/`.startsWith(prefix)) return undefined;
  return `${folder}/${realHome.slice(prefix.length)}`;
}
