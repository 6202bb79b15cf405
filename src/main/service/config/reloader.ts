import { changedKeys } from './changed-keys.ts';

/** The configuration, key by key, including flags and environment. */
export type Configured = Readonly<Record<string, unknown>>;

/** The result of one reload. */
export type Reloaded =
  | { readonly kind: 'done'; readonly applied: readonly string[]; readonly needRestart: readonly string[] }
  | { readonly kind: 'refused'; readonly error: unknown };

interface ReloaderParts<T extends { readonly configured: Configured }> {
  /** Reads and checks everything again, without changing anything. Throws on any error. */
  readonly read: () => Promise<T>;
  /** Applies what was read. Gets the changed keys; resolves with those it could apply. If it throws, nothing has changed. */
  readonly apply: (read: T, changed: readonly string[]) => Promise<readonly string[]>;
  readonly tell: (reloaded: Reloaded) => void;
}

/**
 * Reloads the configuration while it is in use. One reload runs at a time; one requested meanwhile follows it. A key that needs a restart is reported
 * at each reload until its value is again the one in use.
 */
export class Reloader<T extends { readonly configured: Configured }> {
  readonly #parts: ReloaderParts<T>;
  #inUse: Configured;
  #state: 'idle' | 'reading' | 'reading, then again' | 'stopped' = 'idle';

  constructor(inUse: Configured, parts: ReloaderParts<T>) {
    this.#inUse = inUse;
    this.#parts = parts;
  }

  request(): void {
    if (this.#state === 'reading') this.#state = 'reading, then again';
    if (this.#state !== 'idle') return;
    this.#state = 'reading';
    void this.#run();
  }

  /** Discards a reload in progress. */
  stop(): void {
    this.#state = 'stopped';
  }

  async #run(): Promise<void> {
    let reloaded: Reloaded;
    try {
      const read = await this.#parts.read();
      if (this.#isStopped()) return;
      reloaded = await this.#apply(read);
    } catch (error) {
      reloaded = { kind: 'refused', error };
    }
    if (this.#isStopped()) return;
    this.#parts.tell(reloaded);
    const again = this.#state === 'reading, then again';
    this.#state = 'idle';
    if (again) this.request();
  }

  #isStopped(): boolean {
    return this.#state === 'stopped';
  }

  async #apply(read: T): Promise<Reloaded> {
    const changed = changedKeys(this.#inUse, read.configured);
    const applied = await this.#parts.apply(read, changed);
    for (const key of applied) this.#inUse = withKey(this.#inUse, key.split('.'), read.configured);
    return { kind: 'done', applied, needRestart: changed.filter((key) => !applied.includes(key)) };
  }
}

/** A copy in which one key has its value from `from`. */
function withKey(object: Configured, [name = '', ...rest]: readonly string[], from: Configured): Configured {
  if (rest.length === 0) return { ...object, [name]: from[name] };
  const [inner, innerFrom] = [object[name] ?? {}, from[name] ?? {}] as [Configured, Configured];
  return { ...object, [name]: withKey(inner, rest, innerFrom) };
}
