"""The rules, by what they are about. Each module declares its own; the table is in `harness.lint.table`.

files         lines that no server would read
sentinels     majorities, quorums, identities, times
passwords     credentials that do not survive a failover
commands      what sentinels and replicas may not do: renamed commands, rights of users
data          persistence, memory, replicas that nobody may promote
names         hostnames and announced addresses
containers    what a Compose project does to its nodes
proxies       HAProxy in front of the nodes
clients       what the application's client does about a failover
"""
