/** The URL of an entry file of a thread or process, relative to the module `base`. Source and build differ only in its extension. */
export function entryUrl(base: string, path: string): URL {
  return new URL(`${path}.${base.endsWith('.ts') ? 'ts' : 'js'}`, base);
}
