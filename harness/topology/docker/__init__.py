"""The Docker backend: nodes as containers of an engine on this machine.

compose      the Compose file of a run
daemon       how the engine is reached, and what is ours in there
image        what the containers run
kit_image    the image in which the kit itself runs
addresses    where a run's containers live
links        how their links are cut
volumes      where their files lie, and what of them is on the disk
web_container  one web server of a user's own application
held_record  what outlives the harness
topology     the running thing
backend      its face
"""
