import { createHash, type Hash } from 'node:crypto';
import type { AskedChat } from '../chat-request.ts';

/** Not part of what is asked: how the answer is to come, and for whom. The model is added by whoever serves. */
const LEFT_OUT: ReadonlySet<string> = new Set(['model', 'stream', 'stream_options', 'user']);

/**
 * The exact key of a request, but for its model: equal for bodies that differ in nothing but the order of members, in
 * `stream`, `stream_options` and `user`; different for all others (SHA-256 of canonical JSON).
 */
export function chatKey({ body, isStreamed, isAssemblable }: AskedChat): string {
  const hash = createHash('sha256');
  // What cannot be told from a stream without loss is kept apart by how it was asked for.
  if (!isAssemblable) hash.update(isStreamed ? 'stream' : 'whole');
  writeObject(hash, body, LEFT_OUT);
  return hash.digest('base64');
}

/** The key of a request as one model answers it. */
export function modelKey(key: string, model: string): string {
  return `${key} ${model}`;
}

function write(hash: Hash, value: unknown): void {
  if (value === null || typeof value !== 'object') hash.update(JSON.stringify(value) ?? 'null');
  else if (Array.isArray(value)) {
    hash.update('[');
    for (const member of value) {
      write(hash, member);
      hash.update(',');
    }
    hash.update(']');
  } else writeObject(hash, value, undefined);
}

function writeObject(hash: Hash, object: object, leftOut: ReadonlySet<string> | undefined): void {
  hash.update('{');
  for (const name of Object.keys(object).sort()) {
    const value = (object as Readonly<Record<string, unknown>>)[name];
    if (value === undefined || leftOut?.has(name)) continue;
    hash.update(JSON.stringify(name));
    hash.update(':');
    write(hash, value);
    hash.update(',');
  }
  hash.update('}');
}
