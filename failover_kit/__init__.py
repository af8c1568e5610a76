"""The kit's doors, under a name of its own: the command, and the plug-in for pytest.

The kit's package is called `harness`, and so is many a project's own folder of tests. Nothing outside
of this package may therefore import `harness` by whatever Python finds first; `start` loads the right one.
"""
