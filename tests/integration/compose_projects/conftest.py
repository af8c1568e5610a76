"""These scenarios belong to projects that `test_compose_projects.py` starts, with images put in their place.
The kit's own plug-in would collect them as tests of their own."""

collect_ignore_glob = ["*/scenario.yaml"]
