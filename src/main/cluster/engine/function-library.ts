import { createHash } from 'node:crypto';

/** A part of the library that the engine runs, in Lua: functions of one room. */
export interface LibraryPart {
  /**
   * Lua text. It registers its functions as `redis.register_function(named('sync'), …)`, and declares everything else as local
   * inside `do … end`, so that parts do not meet.
   */
  readonly source: string;
}

export interface FunctionLibrary {
  readonly name: string;
  readonly code: string;
  /** The name under which the engine knows a function. */
  named(fn: string): string;
}

/**
 * Joins the parts to one library. Its name and those of its functions end in a hash of the text, so that nodes of different versions use
 * the same engine without replacing each other's functions.
 */
export function functionLibrary(parts: readonly LibraryPart[]): FunctionLibrary {
  const text = parts.map(({ source }) => source).join('\n');
  const version = createHash('sha256').update(SHARED).update(text).digest('hex').slice(0, 12);
  const name = `conclave_${version}`;
  const named = (fn: string): string => `${name}_${fn}`;
  const code = `#!lua name=${name}\nlocal function named(fn) return '${name}_' .. fn end\n${SHARED}\n${text}\n`;
  return { name, code, named };
}

/** What all parts may use. */
const SHARED = `
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
-- Whether a node holds a connection. A node that was killed has none; one that is paused or cut off still does.
local function is_present(channel)
  return redis.call('PUBSUB', 'SHARDNUMSUB', channel)[2] > 0
end
-- Whether the user of a connection may run what the functions need besides keys.
redis.register_function(named('probe'), function(keys)
  redis.call('SPUBLISH', keys[1], '')
  return { now_ms(), is_present(keys[1]) }
end)
`;
