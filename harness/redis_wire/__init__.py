"""How the kit talks to a Redis or Sentinel process: one way, on the ground floor, for every stage.

    protocol      commands to bytes, bytes to replies, and the two ways in which a command fails
    refusals      which error proves that a command was not executed
    words         primary, replica, sentinel: the protocol's own spellings appear only there
    info          INFO and CLUSTER INFO
    cluster       CLUSTER NODES
    sentinel      what sentinels answer and announce
    clients       CLIENT LIST
    haproxy       what an HAProxy says of the servers behind it
    keys          the shapes of a session store's keys, and their slots
    ballast       what makes a session large
    ends          when a session is over, however often it is used
    logs          what only a server's log says
    tls           the certificates of a run, for the kit's own connections
    local_ends    the local addresses that a connection may start from
    blocking      a connection for a thread: to one process, never opened again
    asynchronous  a connection for an event loop: opened when needed, opened again after a failure
    scripted      a server for tests that answers from a script

`topology`, `faults` and `observe` use it for everything that they ask a node. The clients under test, in
`sessions`, are client libraries as users have them; they share the words and the keys. Every wait here has
a limit. Nothing here knows a plan or decides whom to ask.
"""
