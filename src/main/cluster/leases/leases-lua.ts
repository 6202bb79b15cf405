import type { LibraryPart } from '../engine/function-library.ts';
import { LEASE } from './lease-terms.ts';

/**
 * The engine's side of the leases: one function, one key for each model server. The protocol is described in docs/concurrency.md,
 * "Slots of a cluster".
 *
 * State: `frozen`, until when nothing new is granted; `heard`, the time of the latest report; `learned`, the number of slots that was learned last;
 * `nodes`, by name:
 * `lease` (number held), `untilMs` (when it lapses), `endsMs` (when its calls have ended at the latest), `want` and `later` (waiting calls
 * without a lease), `usable` (the part of `lease` on which calls may start), `busy`, `limit`, `learned`, `restMs`, `heardMs`, `seq`, `used` (lease time) and `told` (the target that it knows).
 */
export const LEASES_LUA: LibraryPart = {
  source: `do
local LIFE, TURN, KEPT, QUIET, GAP, RETURN, GONE =
  ${LEASE.lifeMs}, ${LEASE.turnMs}, ${LEASE.keptMs}, ${LEASE.quietMs}, ${LEASE.gapMs}, ${LEASE.returnMs}, ${LEASE.goneMs}
local KEY_LIFE = 600000

-- Frees what has lapsed. A node that is silent but connected may be paused with its calls at work: its leases stay until they have ended.
local function free_lapsed(nodes, prefix, now)
  local silent, channels = {}, {}
  for id, r in pairs(nodes) do
    if now >= r.untilMs and r.lease > 0 and now >= r.endsMs then r.lease = 0 end
    if now >= r.untilMs and (r.lease > 0 or now - r.heardMs > GONE) then
      silent[#silent + 1] = id
      channels[#channels + 1] = prefix .. id
    end
  end
  if #silent == 0 then return end
  local counts = redis.call('PUBSUB', 'SHARDNUMSUB', unpack(channels))
  for i, id in ipairs(silent) do
    if counts[2 * i] == 0 then nodes[id] = nil end
  end
end

-- Max-min fair shares of the slots that are left, in whole numbers. The last few go to those who had least of the slots lately.
local function share_out(entries, left, wish)
  table.sort(entries, function(a, b)
    if a[wish] ~= b[wish] then return a[wish] < b[wish] end
    return a.id < b.id
  end)
  for i, e in ipairs(entries) do
    local level = math.floor(left / (#entries - i + 1))
    if e[wish] > level then
      local rest = {}
      for at = i, #entries do
        local r = entries[at]
        r.share = r.share + level
        r.rank = r.used - (r.lease >= r.share + 1 and TURN or 0)
        rest[#rest + 1] = r
      end
      table.sort(rest, function(a, b)
        if a.rank ~= b.rank then return a.rank < b.rank end
        return a.id < b.id
      end)
      for at = 1, left - level * #rest do rest[at].share = rest[at].share + 1 end
      return 0
    end
    e.share = e.share + e[wish]
    left = left - e[wish]
  end
  return left
end

local function entry_of(id, r, now)
  local fresh = now < r.heardMs + LIFE
  local want, later = fresh and r.want or 0, fresh and r.later or 0
  return { id = id, r = r, lease = r.lease, used = r.used, fresh = fresh, want = want, later = later, all = r.lease + want, share = 0 }
end

-- The least that a node knows. If none does, the number that was learned last, or less while a node probes it.
local function limit_of(nodes, agreed, now)
  local known, probed
  for _, r in pairs(nodes) do
    if r.learned == 0 then known = math.min(known or r.limit, r.limit)
    elseif r.limit < r.learned and now < r.heardMs + LIFE then probed = math.min(probed or r.limit, r.limit) end
  end
  return known or math.min(agreed, probed or agreed)
end

-- Tells waiting nodes of free slots, and holders that others wait. Returns the targets to publish, or nil.
local function whom_to_tell(entries, node, free, frozen)
  local told, unmet = nil, free < 0
  free = math.max(0, free)
  table.sort(entries, function(a, b)
    if a.used ~= b.used then return a.used < b.used end
    return a.id < b.id
  end)
  for _, e in ipairs(entries) do
    if e.want > 0 and e.lease < e.share then unmet = true end
  end
  for _, e in ipairs(entries) do
    if e.id ~= node and e.fresh then
      local gain = math.min(e.share - e.lease, free)
      if e.want + e.later > 0 and gain > 0 and not frozen then
        free = free - gain
        told = told or {}
        told[e.id] = e.share
      elseif e.lease > e.share and unmet and e.r.told ~= e.share then
        e.r.told = e.share
        told = told or {}
        told[e.id] = e.share
      end
    end
  end
  return told
end

local FIELDS = { 'lease', 'want', 'later', 'usable', 'used', 'seq', 'untilMs', 'endsMs', 'busy', 'limit', 'learned', 'heardMs', 'restMs' }
-- The engine's clock may have been set back a little.
local NODES_MAX, SLOTS_MAX, AHEAD = 1024, 65536, 2 * LIFE

-- Whether a node's entry has the figures that this function writes.
local function is_sound(r, now)
  if type(r) ~= 'table' then return false end
  for _, field in ipairs(FIELDS) do
    local figure = r[field]
    if type(figure) ~= 'number' or figure ~= figure or math.abs(figure) == math.huge then return false end
  end
  local bounded = math.min(r.lease, r.want, r.later, r.usable, r.busy) >= 0 and math.max(r.lease, r.want, r.later) <= SLOTS_MAX
  return bounded and r.limit >= 1 and r.untilMs <= now + AHEAD and r.endsMs <= now + AHEAD + KEPT
end

-- The state. Entries that are missing and what this function would not have written are as good as lost, as after a restart of the engine.
local function state_of(key, now)
  local raw = redis.pcall('GET', key)
  local isRead, state = pcall(cmsgpack.unpack, raw)
  local lost = { frozen = now + LIFE, heard = now, nodes = {} }
  if type(raw) ~= 'string' or not isRead or type(state) ~= 'table' or type(state.nodes) ~= 'table' then return lost end
  if type(state.frozen) ~= 'number' or type(state.heard) ~= 'number' or not (state.frozen <= now + AHEAD) then return lost end
  if state.learned and not (type(state.learned) == 'number' and state.learned >= 1) then return lost end
  local count = 0
  for id, r in pairs(state.nodes) do
    count = count + 1
    if type(id) ~= 'string' or count > NODES_MAX or not is_sound(r, now) then return lost end
  end
  return state
end

-- KEYS: state. ARGV: node, prefix of presence channels, channel, then the report.
local function sync_slots(keys, args)
  local now, node = now_ms(), args[1]
  local figures = {}
  for i = 4, #args do figures[i - 3] = tonumber(args[i]) end
  local seq, keep, busy, want, later, own, learned, ends, rest, away, moved, last = unpack(figures)
  want, later = math.min(want, SLOTS_MAX), math.min(later, SLOTS_MAX)
  local state = state_of(keys[1], now)
  local nodes = state.nodes
  local me = nodes[node] or { lease = 0, want = 0, later = 0, usable = 0, used = 0, seq = 0, untilMs = 0, endsMs = 0 }
  if seq <= me.seq then return {} end

  -- After a silence the engine may have been away, with nodes that work alone: they have time to connect and to say what they keep.
  local held, known = false, false
  for id, r in pairs(nodes) do
    held = held or r.lease > 0
    known = known or id ~= node
    r.used = r.used + r.lease * math.max(0, now - state.heard)
  end
  local silence = away == 1 and GAP or held and LIFE or QUIET
  if known and now - state.heard > silence then state.frozen = math.max(state.frozen, now + RETURN) end
  state.heard = now
  local frozen = math.max(0, state.frozen - now)

  -- What a node kept while it was away or its leases lapsed may be others' by now.
  local uncovered = math.max(0, keep - (now < me.untilMs and me.usable or 0))
  local was_idle = me.lease + me.want + me.later == 0
  me.lease, me.want, me.later, me.busy, me.seq = keep, want, later, busy, seq
  me.limit, me.learned = math.max(1, own), learned
  if learned > 0 and (moved == 1 or not state.learned) then state.learned = learned end
  me.heardMs, me.untilMs, me.endsMs, me.restMs = now, now + LIFE, math.max(now + LIFE, now + math.min(ends, KEPT)), now + rest
  nodes[node] = me
  free_lapsed(nodes, args[2], now)

  local limit = limit_of(nodes, state.learned, now)
  local entries, count, active, taken, others_want, others_busy, others_rest, least = {}, 0, 0, 0, 0, 0, 0, nil
  local mine
  for id, r in pairs(nodes) do
    local e = entry_of(id, r, now)
    count = count + 1
    if id == node then mine = e
    else
      taken = taken + e.lease
      others_want = others_want + e.want
      others_busy = others_busy + math.min(r.busy, e.lease)
      others_rest = math.max(others_rest, r.restMs - now)
      if e.all + e.later > 0 then
        active = active + 1
        least = math.min(least or r.used, r.used)
      end
    end
    entries[#entries + 1] = e
  end
  -- Who comes back has no claim to what it did not want meanwhile.
  if was_idle and least then
    me.used = math.max(me.used, least)
    mine.used = me.used
  end
  local left = share_out(entries, limit, 'all')
  if left > 0 then share_out(entries, left, 'later') end

  local free = limit - taken - keep
  local more = 0
  if frozen == 0 then more = math.max(0, math.min(want + later, mine.share - keep, free)) end
  me.lease, me.told = keep + more, mine.share
  me.usable = me.lease - math.min(uncovered, math.max(0, -free))
  me.want, me.later = math.max(0, want - more), later - math.max(0, more - want)
  mine.lease, mine.want, mine.later = me.lease, me.want, me.later
  free = free - more

  local told = whom_to_tell(entries, node, free, frozen > 0)
  if last == 1 then nodes[node] = nil end
  redis.call('SET', keys[1], cmsgpack.pack(state), 'PX', KEY_LIFE)
  if told then redis.call('SPUBLISH', args[3], cjson.encode(told)) end
  return { me.usable, mine.share, free, others_want, count, limit, others_busy, active + 1, others_rest, frozen, state.learned or 0 }
end
redis.register_function(named('sync_slots'), sync_slots)
end`,
};
