"""The Docker backend: nodes as containers of an engine on this machine.

`backend` is its face · `image` chooses what the containers run, `compose` how they start · `daemon` is how
the engine is reached and what is ours in there · `topology` is the running thing, `addresses` where it
lives, `links` how its links are cut · `held_record` is what outlives the harness.
"""
