import type { LibraryPart } from '../engine/function-library.ts';

/**
 * The log at the engine: one stream, and one channel to which the same bytes are published. The ids of its entries are dense, so that
 * everybody knows which entry comes before another: `epoch-*` lets the engine count up within the epoch, in one command.
 */
export const LOG_LUA: LibraryPart = {
  source: `
do
  -- Added by one command, if the caller knows the epoch. Otherwise the epoch is that of the last entry, or begins now.
  local function add(stream, epoch, most, life, records)
    if epoch ~= '' then
      local id = redis.pcall('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', most, epoch .. '-*', 'b', records)
      if type(id) == 'string' then return id end
      if type(id) == 'table' and id.err and not string.find(id.err, 'equal or smaller') then return id end
    end
    local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    epoch = last and string.match(last[1], '^%d+') or string.format('%.0f', now_ms())
    local id = redis.call('XADD', stream, 'MAXLEN', '~', most, epoch .. '-*', 'b', records)
    redis.call('PEXPIRE', stream, life)
    return id
  end

  -- keys: the stream, then claims that end
  -- args: channel, epoch, most entries, life of the stream (or 0), records, tail, and for each claim its token, what it made (or nothing), and how long that is kept
  redis.register_function(named('log_append'), function(keys, args)
    local records, tail = args[5], args[6]
    local id = ''
    if #records > 0 then
      local added = add(keys[1], args[2], args[3], args[4], records)
      if type(added) == 'table' then return added end
      id = added
    end
    for i = 2, #keys do
      local at = 7 + (i - 2) * 3
      local token, made, keep = args[at], args[at + 1], args[at + 2]
      if #made > 0 then redis.call('SET', keys[i], 'D' .. made, 'PX', keep)
      elseif redis.call('GET', keys[i]) == 'C' .. token then redis.call('DEL', keys[i]) end
    end
    redis.call('SPUBLISH', args[1], struct.pack('<I2I4', #id, #records) .. id .. records .. tail)
    return id
  end)

  -- keys: the stream; args: the last entry that the node has (or nothing), most entries, how that entry begins
  -- Returns the time, whether that very entry is still there, and the entries after it; without it, the entries from the start.
  -- After a failover that lost entries, others have their ids.
  redis.register_function(named('log_read'), function(keys, args)
    local stream, after, most, begin = keys[1], args[1], args[2], args[3] or ''
    local last = after ~= '' and redis.call('XRANGE', stream, after, after)[1]
    local isKnown = last and string.sub(last[2][2], 1, #begin) == begin
    local from = isKnown and '(' .. after or '-'
    return { now_ms(), isKnown and 1 or 0, redis.call('XRANGE', stream, from, '+', 'COUNT', most) }
  end)
end`,
};
