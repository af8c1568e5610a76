"""Operation tables as numpy arrays: what runs over a million operations at a time starts here.

arrays   columns of a table as arrays, in chunks, in order
traffic  every operation of a run as a few parallel columns
"""
