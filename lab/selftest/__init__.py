"""The kit tried on itself: does it find what is broken, and keep quiet about what is not?

    proxy     a TCP proxy in front of a real node that understands enough RESP to misbehave
    bugs      what it does wrong, one class each, and what the kit must then call it
    seeded    one run against a node behind such a proxy, judged from its folder, compared with the deed
    clean     the same runs without a proxy, on every topology: nothing may be found
    faulted   the same runs through a kill and a planned failover: nothing but what these cost may be found
    model     random correct executions over a model store, by the million: nothing may be found
    worker    does jobs of these four kinds in a process of its own; `__main__` hands them out

`make selftest` runs everything and prints what was found. Nothing here is imported by the kit.
"""
