import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** `--expose-gc`, without a process started for it. */
setFlagsFromString('--expose-gc');

/** Collects the whole heap of this thread, at once. */
export const collectGarbage = runInNewContext('gc') as () => void;
