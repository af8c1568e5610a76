"""What all backends share.

certificates     for nodes that speak TLS
haproxy          the haproxy.cfg of a proxy
haproxy_file     somebody's own, with a run's addresses
proxies          their configuration, and when they are ready
configuration    the text that nodes start with
control          how backends talk to a node
readiness        forms a topology, and says when it is ready
full_volume      nothing can be written to files
unsynced         what of a file is not on the disk yet
processes        which process it is, whether it lives, its end
keeper           a process that owns a held topology
state_files      whose something is, once the harness has ended
routes           which networks are taken
netlink          how links, addresses and routes are made
namespaces       where
cuts             which links are cut, and by which faults
refused_packets  the packet that refuses
first_packets    what a cut or a slow link has something to do with at once
slow_line        a process that carries packets badly, or refuses them
slow_links       a slow line for each fault
"""
