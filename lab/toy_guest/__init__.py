"""A toy application with seeded bugs: does the kit see what its users see, and name it?

    app         the application; the variable BUG says what is wrong with it
    misfit      another one, which cannot be judged: what does the kit say of it?
    driven      the toy under the load for a moment, and what is judged of it

It keeps its sessions in its own memory: what is tried is the way from pages to findings, and no node.
"""
