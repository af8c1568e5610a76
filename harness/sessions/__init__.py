"""Stage 4a: the session store as a web application uses it, and the load that drives it.

Read in this order: one behaviour (`log_in`; `revoke_token`, on an object that is no session), what it works
with (`request`), what an application does without an answer (`guard`), how outcomes follow from attempts
(`outcome`, `notes`), where attempts are seen (`connection`), how a web server finds the primary
(`discovery`, `cluster`), retries and the bounded pool (`store`), one web server (`web_server`), planned
turns (`arrivals`), the open-loop engine (`engine`).

A further behaviour is one module with one class and one line in the table below.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.sessions.ban_user import BanUser
from harness.sessions.cart import Cart
from harness.sessions.change_field import ChangeField
from harness.sessions.change_profile import ChangeProfile
from harness.sessions.check_address import CheckAddress
from harness.sessions.clean_up import CleanUp
from harness.sessions.count_event import CountEvent
from harness.sessions.count_online import CountOnline
from harness.sessions.end_session import EndSession
from harness.sessions.fill_form import FillForm
from harness.sessions.greet_visitor import GreetVisitor
from harness.sessions.lead_job import LeadJob
from harness.sessions.list_devices import ListDevices
from harness.sessions.lock import Lock
from harness.sessions.log_in import LogIn
from harness.sessions.logout import Logout
from harness.sessions.logout_everywhere import LogoutEverywhere
from harness.sessions.logout_in_transaction import LogoutInTransaction
from harness.sessions.move_address import MoveAddress
from harness.sessions.read import Read
from harness.sessions.read_cached import ReadCached
from harness.sessions.read_profile import ReadProfile
from harness.sessions.remember_me import RememberMe
from harness.sessions.request import Behaviour
from harness.sessions.revoke_token import RevokeToken
from harness.sessions.rotate_session import RotateSession
from harness.sessions.save_session import SaveSession
from harness.sessions.token_request import TokenRequest
from harness.sessions.touch import Touch
from harness.sessions.try_password import TryPassword

BEHAVIOURS: Mapping[str, Behaviour] = {
    one.declaration.name: one
    for one in (
        LogIn(),
        Read(),
        Touch(),
        ChangeField(),
        Cart(),
        Lock(),
        LeadJob(),
        Logout(),
        LogoutInTransaction(),
        LogoutEverywhere(),
        ListDevices(),
        RotateSession(),
        RevokeToken(),
        BanUser(),
        TokenRequest(),
        TryPassword(),
        RememberMe(),
        FillForm(),
        ChangeProfile(),
        ReadProfile(),
        MoveAddress(),
        CheckAddress(),
        CountOnline(),
        CountEvent(),
        SaveSession(),
        GreetVisitor(),
        EndSession(),
        ReadCached(),
        CleanUp(),
    )
}


def log_in_of(mix: Mapping[str, float]) -> str:
    """The behaviour that makes the sessions of a workload: that of the mix, else the first there is."""
    makers = [name for name, one in BEHAVIOURS.items() if not one.needs_session]
    return next((name for name in makers if name in mix), makers[0])
