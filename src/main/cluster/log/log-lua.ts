import type { LibraryPart } from '../engine/function-library.ts';
import { ENTRY_BYTES_MAX } from './message.ts';

/**
 * The log at the engine: one stream, and one channel to which the same bytes are published. The ids of its entries are dense, so that
 * everybody knows which entry comes before another: `epoch-*` lets the engine count up within the epoch, in one command.
 */
export const LOG_LUA: LibraryPart = {
  source: `
do
  local DIGITS_MAX, BYTES_MAX = 15, ${ENTRY_BYTES_MAX}

  -- Whether an error says that nothing can be added to the stream any more.
  local function is_spoilt(err)
    return string.find(err, 'equal or smaller') or string.find(err, 'exhausted') or string.find(err, 'WRONGTYPE')
  end

  -- An entry as nodes write it; without its records if it is longer than theirs, or has other fields.
  local function shown(entry)
    local records = entry[2][2]
    if #entry[2] ~= 2 or #records > BYTES_MAX then records = '' end
    return { entry[1], { 'b', records } }
  end

  -- The epoch of the last entry; nil if there is none, or only what no node would have left: ids beyond what nodes count, or another type.
  local function epoch_of(stream)
    local last = redis.pcall('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    local epoch, number = string.match(last and last[1] or '', '^(%d+)-(%d+)$')
    return epoch and #epoch <= DIGITS_MAX and #number <= DIGITS_MAX and epoch or nil
  end

  -- Added by one command, if the caller knows the epoch. Otherwise the epoch is that of the last entry, or begins now, in a new stream if need be.
  local function add(stream, epoch, most, life, records)
    if epoch ~= '' then
      local id = redis.pcall('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', most, epoch .. '-*', 'b', records)
      if type(id) == 'string' then return id end
      if type(id) == 'table' and id.err and not is_spoilt(id.err) then return id end
    end
    local known = epoch_of(stream)
    local id = known and redis.pcall('XADD', stream, 'MAXLEN', '~', most, known .. '-*', 'b', records)
    if type(id) == 'table' and id.err and not is_spoilt(id.err) then return id end
    if type(id) ~= 'string' then
      redis.call('DEL', stream)
      id = redis.call('XADD', stream, string.format('%.0f', now_ms()) .. '-*', 'b', records)
    end
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
      elseif redis.pcall('GET', keys[i]) == 'C' .. token then redis.call('DEL', keys[i]) end
    end
    redis.call('SPUBLISH', args[1], struct.pack('<I2I4', #id, #records) .. id .. records .. tail)
    return id
  end)

  -- keys: the stream; args: the last entry that the node has (or nothing), most entries, how that entry begins
  -- Returns the time, whether that very entry is still there, and the entries after it; without it, the entries from the start.
  -- After a failover that lost entries, others have their ids.
  redis.register_function(named('log_read'), function(keys, args)
    local stream, after, most, begin = keys[1], args[1], args[2], args[3] or ''
    local last = after ~= '' and redis.pcall('XRANGE', stream, after, after)[1]
    local isKnown = last and string.sub(last[2][2], 1, #begin) == begin
    local from = isKnown and '(' .. after or '-'
    local listed = redis.pcall('XRANGE', stream, from, '+', 'COUNT', most)
    if listed.err then
      if not is_spoilt(listed.err) then return listed end
      listed = {}
    end
    for i, entry in ipairs(listed) do listed[i] = shown(entry) end
    return { now_ms(), isKnown and 1 or 0, listed }
  end)
end`,
};
