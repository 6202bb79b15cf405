import type { LibraryPart } from './function-library.ts';

/**
 * What nodes tell each other about themselves and keep up to date, for those that come later: a hash in which each field has one writer, or the last
 * one wins. A value starts with the time at which it was written, so that those of nodes that ended long ago can be left out.
 */
export const FIELDS_LUA: LibraryPart = {
  source: `
do
  local BYTES_MAX = 262144

  -- 0 for what no node would have written: a value without a time, or one that is too long.
  local function written(value)
    local at = #value >= 8 and #value <= BYTES_MAX and struct.unpack('<d', value) or 0
    return at == at and at or 0
  end

  -- A key of another type is as good as lost.
  local function is_hash(key) return redis.call('TYPE', key).ok == 'hash' end

  -- The oldest quarter goes if there are too many fields.
  local function bound(key, most)
    if redis.call('HLEN', key) <= most then return end
    local all, fields = redis.call('HGETALL', key), {}
    for i = 1, #all, 2 do fields[#fields + 1] = { all[i], written(all[i + 1]) } end
    table.sort(fields, function(a, b) return a[2] < b[2] end)
    for i = 1, math.floor(#fields / 4) do redis.call('HDEL', key, fields[i][1]) end
  end

  -- keys: the hash; args: channel, life in ms, most fields, what is published, then fields and values
  redis.register_function(named('fields_put'), function(keys, args)
    local stamp = struct.pack('<d', now_ms())
    if not is_hash(keys[1]) then redis.call('DEL', keys[1]) end
    for i = 5, #args, 2 do redis.call('HSET', keys[1], args[i], stamp .. args[i + 1]) end
    redis.call('PEXPIRE', keys[1], args[2])
    bound(keys[1], tonumber(args[3]))
    if #args[4] > 0 then redis.call('SPUBLISH', args[1], args[4]) end
    return 1
  end)

  -- keys: the hash; args: life in ms. Returns fields and values that are younger.
  redis.register_function(named('fields_read'), function(keys, args)
    if not is_hash(keys[1]) then return {} end
    local oldest, all, found = now_ms() - tonumber(args[1]), redis.call('HGETALL', keys[1]), {}
    for i = 1, #all, 2 do
      if written(all[i + 1]) >= oldest then
        found[#found + 1] = all[i]
        found[#found + 1] = string.sub(all[i + 1], 9)
      else redis.call('HDEL', keys[1], all[i]) end
    end
    return found
  end)
end`,
};
