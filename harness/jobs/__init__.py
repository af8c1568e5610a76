"""Many runs as jobs of somebody else's machines: each job is one shard, and the shards are merged.

    shards      what is asked for: one command, in how many parts
    files       a user's own files of that command, packed
    task        what a job is given to read, and which shard is its own
    service     a replicated job of a swarm, as its API takes it
    gathering   results of a job that has ended, taken out of its container
    ledger      what became of each shard, beside the results
    swarm       hands out shards to the hosts of a swarm, and again those that were lost
    submit      the road from a command to merged results
    kubernetes  the same as an indexed Job, printed and not submitted

Which machine does what is decided by the swarm, or by Kubernetes. The trap: a swarm does not hand out a task
of a job again whose host is gone. So a shard that has left no results becomes part of a further job.
"""
