"""Stage 4a as well: a user's own application under the same load, over HTTP.

    words        what is filled into requests, and what it stands for in a history
    answers      one answer, and how it is recognised                       (pure)
    back_door    from a session's cookie to its key in Redis            (pure)
    browser      a user's browser: its cookies, its patience; the HTTP client
    elsewhere    a web server that its user runs
    web_server   one web server of the application, and when it serves
    operation    one behaviour: a request, and the steps that came of its answer
    walk         through the recipes on a healthy topology: what was understood?
    front_door   after recovery: every session asked for once more, by its cookie
    fleet        all web servers and the balancer: what the load drives

The load itself is `harness.sessions.engine`. Nothing after this room knows that there is HTTP: what it hands
on are steps and attempts.
"""
