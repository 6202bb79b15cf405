import type { LibraryPart } from '../engine/function-library.ts';

/**
 * Claims of states: one key for each. Its value is `C` and the token of the owner (`node:number`), or `D` and what was made, which is
 * kept for a short time. `log_append` ends claims.
 */
export const STATES_LUA: LibraryPart = {
  source: `
do
  local BYTES_MAX = 65536
  -- keys: the claim; args: token, time to live in ms, beginning of the channels of presence, whether what was made just now is taken
  -- Returns 1 (yours); 0, owner, time left (another's); or 2 and what was made.
  redis.register_function(named('state_claim'), function(keys, args)
    local mine = 'C' .. args[1]
    local held = redis.pcall('SET', keys[1], mine, 'NX', 'GET', 'PX', args[2])
    if not held then return { 1 } end
    local left = redis.call('PTTL', keys[1])
    if held.err and not string.find(held.err, 'WRONGTYPE') then return held end
    -- No node leaves another type, a key without an end, or something that long: somebody else has.
    if type(held) ~= 'string' or left < 0 or #held > BYTES_MAX then
      redis.call('SET', keys[1], mine, 'PX', args[2])
      return { 1 }
    end
    if string.sub(held, 1, 1) == 'D' and args[4] == '1' then return { 2, string.sub(held, 2) } end
    local owner = string.match(held, '^C(.*):')
    local node = string.match(args[1], '^(.*):')
    if owner and owner ~= node and is_present(args[3] .. owner) then
      return { 0, owner, left }
    end
    redis.call('SET', keys[1], mine, 'PX', args[2])
    return { 1 }
  end)
end`,
};
