"""What both backends share.

`configuration` is the text that nodes start with · `readiness` forms a topology and says when it is
ready · `control` is how both talk to a node · `cuts` says which links are cut, and by which faults ·
`processes`, `keeper` and `state_files` say whose something is · `routes` which networks are taken ·
`netlink` is how links, addresses and routes are made, `namespaces` where · `slow_links` carries packets
badly or refuses them, by a `slow_line` in a node's namespace.
"""
