"""The process backend: nodes as server processes of this machine.

server_programs  which program runs them
proxy_program    the HAProxy of this machine
own_clock        a clock of a node's own, by libfaketime
log_tail         the end of a process's log
run_record       what a killed harness left
server           one server process
web_process      one web server of a user's own application
loopback         one address, a port for each node
network          or a network namespace for each node, whose links can be cut
joined           somebody's container that joins such a network
user_namespace   how users who are not root get one
topology         the running thing
backend          its face
"""
