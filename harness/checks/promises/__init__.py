"""The promises to the users of a session store, one module each: facts -> findings.

A check finds where its promise was broken, and counts what it could not decide.

    kinds              the kinds of findings
    check              what a check is, and how it says what it found
    lifetimes          a session lives as long as its last use promised, and no longer
    logouts            after a logout the session never works again
    front_door         every request is answered, by an application of somebody's own
    presence           after a log-in the session is there until a logout or the idle timeout
    acked_writes       an acknowledged write is not lost
    fields             a field shows its last acknowledged write, whole
    identity           a user gets the own session, with values that somebody wrote
    counters           an addition to a cart counts once
    leases             a lock has one holder, and a job one leader, until the lease runs out
    user_index         the list of a user's sessions names those that exist
    exact_objects      flags and counters as registers: is there any order that explains all?
    kept_objects       what is kept beside sessions holds as long as promised
    let_in             nobody is let in without having been checked
    open_connections   a web server opens no more connections than its pool may hold
    refused_logins     while sessions can be read, new users can log in
    refused_sessions   who is logged in is not turned away by a guard that does not answer
    replica_agreement  after recovery a replica holds what its primary holds
    recovery_limit     the topology recovers within its limit
    whole_session      a session as one object: is there any order that explains it?
    one_register       a field behaves like one register
    loss_rules         what each kind of fault may cost at most
    loss_budget        a fault costs no more than that
    table              all of these checks, in the order in which a run goes through them
"""
