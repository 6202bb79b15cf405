import type { EngineReply } from '../../../src/main/cluster/engine/engine.ts';
import { PlannerError } from '../../../src/shared/errors.ts';
import type { EngineModel, ModelContext } from './engine-model.ts';

interface Stream {
  readonly entries: { readonly epoch: number; readonly number: number; readonly records: Buffer }[];
  readonly last: { readonly epoch: number; readonly number: number };
}

/** The functions of log and claims as the engine has them, in JavaScript; held against the real ones by the conformance tests. */
export function modelSharedDomain(model: EngineModel): void {
  model.register('log_append', append);
  model.register('log_read', read);
  model.register('state_claim', claim);
  model.register('fields_put', putTotals);
  model.register('fields_read', readTotals);
}

function append(keys: readonly string[], args: readonly Buffer[], context: ModelContext): EngineReply {
  const [channel, epoch, most, life, records, tail, ...ends] = args as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
  const id =
    records.length === 0 ? '' : added(keys[0] as string, String(epoch), Number(most), Number(life), records, context);
  for (const [i, key] of keys.slice(1).entries()) {
    const [token, made, keep] = (ends as Buffer[]).slice(3 * i, 3 * i + 3) as [Buffer, Buffer, Buffer];
    if (made.length > 0) context.set(key, Buffer.concat([Buffer.from('D'), made]), Number(keep));
    else if (String(context.get(key) ?? '') === `C${token}`) context.delete(key);
  }
  const head = Buffer.alloc(6);
  head.writeUInt16LE(id.length, 0);
  head.writeUInt32LE(records.length, 2);
  context.publish(String(channel), Buffer.concat([head, Buffer.from(id), records, tail]));
  return Buffer.from(id);
}

function added(key: string, epoch: string, most: number, life: number, records: Buffer, context: ModelContext): string {
  const held = context.get<Stream>(key);
  const isFitting = epoch !== '' && held !== undefined && Number(epoch) >= held.last.epoch;
  const next = isFitting ? Number(epoch) : (held?.last.epoch ?? context.nowMs);
  const last = { epoch: next, number: held?.last.epoch === next ? held.last.number + 1 : 0 };
  const entries = [...(held?.entries ?? []), { ...last, records }].slice(-most);
  context.set(key, { entries, last } satisfies Stream, isFitting ? context.ttlMs(key) : life);
  return `${last.epoch}-${last.number}`;
}

function read(
  [key]: readonly string[],
  [after, most, begin = Buffer.alloc(0)]: readonly Buffer[],
  context: ModelContext,
): EngineReply {
  const entries = context.get<Stream>(key as string)?.entries ?? [];
  const isLast = (records: Buffer): boolean => records.subarray(0, begin.length).equals(begin);
  const at = entries.findIndex(
    ({ epoch, number, records }) => `${epoch}-${number}` === String(after) && isLast(records),
  );
  const listed = entries.slice(at + 1, at + 1 + Number(most));
  const shown = listed.map(({ epoch, number, records }) => [
    Buffer.from(`${epoch}-${number}`),
    [Buffer.from('b'), records],
  ]);
  return [context.nowMs, at < 0 ? 0 : 1, shown];
}

function claim([key]: readonly string[], args: readonly Buffer[], context: ModelContext): EngineReply {
  const [token = '', ttl, presence, takesMade] = args.map(String);
  const held = context.get<Buffer>(key as string);
  const give = (): EngineReply => {
    context.set(key as string, Buffer.from(`C${token}`), Number(ttl));
    return [1];
  };
  if (Number(ttl) <= 0) throw new PlannerError('ERR_CLUSTER_REFUSED', 'invalid expire time');
  if (held === undefined) return give();
  if (held[0] === 0x44 && takesMade === '1') return [2, held.subarray(1)];
  const owner = /^C(.*):/.exec(String(held))?.[1];
  const node = /^(.*):/.exec(token)?.[1];
  if (owner === undefined || owner === node || !context.isPresent(`${presence}${owner}`)) return give();
  return [0, Buffer.from(owner), Math.floor(context.ttlMs(key as string))];
}

type Totals = ReadonlyMap<string, { readonly value: Buffer; readonly atMs: number }>;

function putTotals([key]: readonly string[], args: readonly Buffer[], context: ModelContext): EngineReply {
  const [channel, life, most, pushed, ...fields] = args as [Buffer, Buffer, Buffer, Buffer];
  const totals = new Map(context.get<Totals>(key as string));
  for (let i = 0; i < fields.length; i += 2) {
    totals.set(String(fields[i]), { value: fields[i + 1] as unknown as Buffer, atMs: context.nowMs });
  }
  const byAge = [...totals].sort(([, a], [, b]) => a.atMs - b.atMs);
  if (totals.size > Number(most)) for (const [field] of byAge.slice(0, totals.size / 4)) totals.delete(field);
  context.set(key as string, totals, Number(life));
  if (pushed.length > 0) context.publish(String(channel), pushed);
  return 1;
}

function readTotals([key]: readonly string[], [life]: readonly Buffer[], context: ModelContext): EngineReply {
  const totals = [...(context.get<Totals>(key as string) ?? [])];
  const young = totals.filter(([, { atMs }]) => atMs >= context.nowMs - Number(life));
  return young.flatMap(([field, { value }]) => [Buffer.from(field), value]);
}
