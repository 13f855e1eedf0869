/** Given to a process with `--import`: writes the URL of every module that any of its threads loads into DHAAVAK_TEST_MODULES. */
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

registerHooks({
  load(url, context, nextLoad) {
    appendFileSync(process.env.DHAAVAK_TEST_MODULES, `${url}\n`);
    return nextLoad(url, context);
  },
});
