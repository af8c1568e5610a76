"""The nouns of the kit: frozen data and the seams between stages. No I/O anywhere in here.

`words` closed vocabularies · `deployment` what a team would decide · `scenario` what a file says ·
`plan` what will be done · `records` what is written down while it happens · `judgement` what it
means · `seams` the protocols by which the stages meet.
"""
