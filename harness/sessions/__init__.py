"""Stage 4a: the session store as a web application uses it, and the load that drives it.

Read in this order: one behaviour (`log_in`), what it works with (`request`), how outcomes follow
from attempts (`outcome`, `notes`), where attempts are seen (`connection`), how a web server finds
the primary (`discovery`, `cluster`), retries and the bounded pool (`store`), one web server
(`web_server`), planned turns (`arrivals`), the open-loop engine (`engine`).

A further behaviour is one module with one class and one line in the table below.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.sessions.cart import Cart
from harness.sessions.change_field import ChangeField
from harness.sessions.lock import Lock
from harness.sessions.log_in import LogIn
from harness.sessions.logout import Logout
from harness.sessions.logout_everywhere import LogoutEverywhere
from harness.sessions.logout_in_transaction import LogoutInTransaction
from harness.sessions.read import Read
from harness.sessions.request import Behaviour
from harness.sessions.touch import Touch

BEHAVIOURS: Mapping[str, Behaviour] = {
    "log-in": LogIn(),
    "read": Read(),
    "touch": Touch(),
    "change-field": ChangeField(),
    "cart": Cart(),
    "lock": Lock(),
    "logout": Logout(),
    "logout-in-transaction": LogoutInTransaction(),
    "logout-everywhere": LogoutEverywhere(),
}
