"""The scripts of the session store, and commands that several behaviours send.

`ATOMIC` runs a list of commands as one, optionally only if the session exists. It *returns* the
error of its first write and lets any later error be raised: so an error without the mark that
Redis puts on errors raised inside scripts proves that nothing was written. (Redis 6 marks the error
of a pcall as well; the mark is taken off, so that clients recognise READONLY there too.)
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.redis_wire.keys import session_key, witness_key
from harness.sessions.exchange import Command

WITNESS_OUTLIVES_S = 3600
"""Witness lists expire this long after the idle timeout: later than any audit, but they do expire."""

ATOMIC = """\
if ARGV[1] == 'guarded' and redis.call('EXISTS', KEYS[1]) == 0 then return {0} end
local replies = {1}
for i, command in ipairs(cjson.decode(ARGV[2])) do
  local reply
  if i == 1 then
    reply = redis.pcall(unpack(command))
    if type(reply) == 'table' and reply.err then
      return {err = string.match(reply.err, '^@user_script: ?%d+: %-?(.*)$') or reply.err}
    end
  else
    reply = redis.call(unpack(command))
  end
  replies[#replies + 1] = reply
end
return replies"""
"""{0}: guarded, and the session is not there. {1, reply, ...}: done. For commands that answer integers."""

RELEASE = """\
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0"""
"""Compare and delete: a lock is released only by the token that took it."""

RENEW = """\
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0"""
"""Compare and prolong: a lease is renewed only by the token that took it."""

COUNT_WITHIN = """\
local total = redis.call('INCR', KEYS[1])
if total == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return total"""
"""Counts on, and lets the first count of a window say when it ends."""

SAVE_UNCHANGED = """\
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1"""
"""Compare and save: a whole value is stored only if nobody has stored another one since it was read."""

_encode = msgspec.json.Encoder().encode


def atomically(session: str, commands: Sequence[Command], *, guarded: bool) -> Command:
    """The EVAL that runs commands on a session and its witness list as one."""
    return (
        "EVAL",
        ATOMIC,
        "2",
        session_key(session),
        witness_key(session),
        "guarded" if guarded else "",
        _encode(commands).decode(),
    )


def expire(key: str, seconds: float) -> Command:
    if seconds == int(seconds):
        return ("EXPIRE", key, str(int(seconds)))
    return ("PEXPIRE", key, str(round(seconds * 1000)))
