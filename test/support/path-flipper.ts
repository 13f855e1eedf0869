/**
 * A process that makes paths of a workspace, by turns, what they should be and ways out of it, as fast as it can:
 *
 *     node path-flipper.ts <workspace> <outside> <flips>
 *
 * `file` is a file of the workspace, a symbolic link and a hard link to `outside/secret.txt`; `folder` is a folder, or a link to
 * `outside`; `passing` is a hard link that is gone again at once. Prints how often it has flipped and exits when that is
 * `flips`.
 */
import { linkSync, mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [workspace, outside, flips] = process.argv.slice(2) as [string, string, string];
const at = (name: string): string => join(workspace, name);
const secret = join(outside, 'secret.txt');
const next = at('.next');

mkdirSync(at('folder'), { recursive: true });
writeFileSync(at('folder/secret.txt'), 'inside');
writeFileSync(at('file'), 'inside');
symlinkSync(outside, at('.link'));

const steps: (() => void)[] = [
  () => symlinkSync(secret, next),
  () => linkSync(secret, next),
  () => writeFileSync(next, 'inside'),
];

let made = 0;
/** A tool may have made a folder in the moment there was none. */
function putFolder(from: string): void {
  for (;;) {
    try {
      renameSync(from, at('folder'));
      return;
    } catch {
      made += 1;
      renameSync(at('folder'), at(`.made-${made}`));
    }
  }
}

let count = 0;
function flip(): void {
  for (let turn = 0; turn < 30; turn += 1) {
    steps[count % steps.length]?.();
    renameSync(next, at('file'));
    linkSync(secret, at('passing'));
    unlinkSync(at('passing'));
    const [from, to] = count % 2 === 0 ? ['.link', '.real'] : ['.real', '.link'];
    renameSync(at('folder'), at(to));
    putFolder(at(from));
    count += 1;
  }
  if (count < Number(flips)) setImmediate(flip);
  else console.log(count);
}
flip();
