"""Where the plug-in was until the kit had doors of its own."""

from failover_kit.pytest_plugin import *  # noqa: F403
