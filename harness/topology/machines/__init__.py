"""The machines backend: nodes as containers of several engines that are one swarm.

Reading order:

    hosts     which engines there are, and a client of each
    images    an image of this machine's engine, carried to another one
    waiting   a container that keeps a node's network, and takes back its rules if nobody is heard
    taken     a folder out of a container, to this machine
    tunnel    a process that carries packets between this machine and the nodes' network
    far_line  a slow link where a node is
    shell     where rules are set without starting a process for each
    links     rules for links, set where they are kept
    overlay   what a run has in its engines: made and removed
    record    what outlives the harness
    topology  the running thing
    backend   its face
"""
