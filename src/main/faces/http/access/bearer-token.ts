import type { FileHandle } from 'node:fs/promises';
import { failOptions } from '../../../../shared/check-options.ts';
import type { Clock } from '../../../../shared/clock.ts';
import { PlannerError } from '../../../../shared/errors.ts';
import { inFileTime, openRegular } from '../../../../shared/regular-file.ts';
import { readText } from '../../../../shared/untrusted-json.ts';
import type { ResolvedHttpOptions } from '../http-options.ts';

const TOKEN_CHARS_MAX = 4_096;
/** Visible ASCII: the characters that a header carries unchanged. */
const TOKEN = /^[\x21-\x7e]+$/;
const OTHERS = 0o077;
/** Mode of a credential from systemd: root owns it, and the read permission of one more user shows in the group bits. */
const CREDENTIAL = 0o440;

/** The token that callers must send; undefined if none is required. Throws ERR_OPTIONS_INVALID. */
export async function readToken(
  { token, tokenFile }: Pick<ResolvedHttpOptions, 'token' | 'tokenFile'>,
  clock?: Clock,
): Promise<string | undefined> {
  if (tokenFile !== undefined) {
    const read = inFileTime(tokenFile, () => readTokenFile(tokenFile), clock);
    return checked('http.tokenFile', await read.catch(unreadable));
  }
  return token === undefined ? undefined : checked('http.token', token);
}

/** Checks a token. Errors do not contain it: it is a secret. */
function checked(key: string, token: string): string {
  if (token === '') failOptions(`${key} must hold a token, got an empty one`);
  if (!TOKEN.test(token)) failOptions(`${key} must hold one token of visible ASCII characters without spaces`);
  if (token.length > TOKEN_CHARS_MAX)
    failOptions(`${key} must be at most ${TOKEN_CHARS_MAX} characters, got ${token.length}`);
  return token;
}

function unreadable(error: Error): never {
  if (error instanceof PlannerError) throw error;
  return failOptions(`http.tokenFile must be a file that can be read: ${error.message}`, error);
}

async function readTokenFile(path: string): Promise<string> {
  const file: FileHandle = await openRegular(path);
  try {
    // Checked on the open file, so that no other file can replace it in between.
    const { mode, size, uid, gid } = await file.stat();
    const isCredential = uid === 0 && gid === 0 && (mode & 0o777) === CREDENTIAL;
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0 && !isCredential) {
      const is = `0${(mode & 0o777).toString(8)}`;
      failOptions(`http.tokenFile must be readable by its owner alone (chmod 600 ${path}), got mode ${is}`);
    }
    if (size > TOKEN_CHARS_MAX + 2)
      failOptions(`http.tokenFile must be at most ${TOKEN_CHARS_MAX} characters, got ${size}`);
    const read = readText(await file.readFile());
    if ('rule' in read) failOptions(`http.tokenFile ${read.rule}`);
    return read.text.replace(/\r?\n$/, '');
  } finally {
    await file.close();
  }
}
