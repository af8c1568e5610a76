"""What findings and numbers amount to.

evidence      what is missing from the evidence, and what that leaves undecided
expectations  each expectation: met, unmet or undecided
conclusion    one verdict and the sentences that explain it
story         what happened to one session, in words
"""
