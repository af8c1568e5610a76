"""What happened in a run, from its records alone. No promise is judged here.

step_effects       what one step may have done to a session, and what one look showed
shards             which shard each node belonged to, at every moment
promotions         which node became primary of which shard, and when
struck             whom a fault struck
settings           which settings a node had at a moment, whatever faults changed
restarts           which nodes came back as another process, with how much of their data
offsets            where in the stream of replication a write lies
discarded          what of an old primary's writes its successor never had
ownership          which node was primary then, and what happened to its data
landmarks          the moments of a run: begin, effects of faults, recovery, end
request_ends       when an attempt without a reply can no longer take effect
last_looks         what nodes held shortly before they lost it
clock_drift        how far the clocks of this machine moved against each other
of_run             all of that, made of a history once: whoever needs a fact asks here
host_lateness      how late this machine was itself
no_successor       why a primary that was struck had no successor
unserved           when a shard had no primary at all
failovers          each failover broken into its steps
hits               what one fault did to one node, and what that led to
timelines          per session: everything that was done to it and seen of it
back_door          what nodes held of the sessions of somebody's own application
audited_objects    what the audit was told of other objects
object_pasts       per key of another object: everything that was done to it and seen of it
causes             why an acknowledged write is gone
replayed_timeouts  when a replica executed an EXPIRE, on engines before Redis 7.0
"""
