"""The process backend: nodes as server processes of this machine.

`backend` is its face · `server_programs` finds the program · `topology` is the running thing, `server` each
of its processes · `network` gives each node a namespace and cuts links, or `loopback` does without ·
`run_record` says what a killed harness left · `user_namespace` is for users who are not root.
"""
