"""Stage 4a: the session store as a web application uses it, and the load that drives it.

From the wire up to what a behaviour works with:

    exchange               what the wire notes about one operation
    hearing                what a web server keeps in its own memory, and hears
    replies                what comes back on a connection
    outcome                from attempts to outcomes: done, not done, perhaps
    connection             redis-py's connections, which note every attempt
    pool                   redis-py's pools
    subscription           what a subscription says while its line is alive
    discovery              how a web server finds the primary
    cluster                the same in a cluster
    apart                  a client library in a process of its own: this end of it
    listening              the line on which it hears
    store                  the bounded pool, the client library, retries
    commands               scripts and commands that several behaviours send
    request                what a behaviour gets to work with
    guard                  what an application does without an answer
    flags                  how behaviours put a flag, and look at it
    leases                 how they take and release a lease

The behaviours; each module says its promise:

    read                   read the session
    read_cached            read a copy in the web server's memory
    log_in                 log in
    touch                  slide the idle timeout
    change_field           change a field
    use_copy               work on a copy for the length of a request
    save_session           save the session as a whole
    cart                   add to a cart, and remove
    lock                   change the session under a lock
    logout                 log out
    logout_in_transaction  the same inside MULTI
    logout_everywhere      end all sessions of a user
    end_session            log out, and tell all web servers
    rotate_session         give the session a new id
    list_devices           list a user's sessions
    count_online           count who is online
    count_event            keep statistics
    greet_visitor          greet somebody without a session
    clean_up               look for sessions that never end
    fill_form              finish a step of a form
    change_profile         change what another service reads
    read_profile           read it there
    lead_job               do a job that has one leader
    guarded_page           which is asked first on a page, a guard or the session
    try_password           try a wrong password
    remember_me            come back with a one-time token
    revoke_token           revoke a token
    token_request          a request with a token
    ban_user               ban a user
    check_address          come from an address
    move_address           move to another one

And the load:

    arrivals               planned turns
    actors                 users and their browser tabs
    counters               running totals, for conditions
    web_server             one process of the application
    fleet                  all of them, and the balancer
    engine                 the open-loop load

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
from harness.sessions.use_copy import UseCopy

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
        UseCopy(),
        ReadCached(),
        CleanUp(),
    )
}


def log_in_of(mix: Mapping[str, float]) -> str:
    """The behaviour that makes the sessions of a workload: that of the mix, else the first there is."""
    makers = [name for name, one in BEHAVIOURS.items() if not one.needs_session]
    return next((name for name in makers if name in mix), makers[0])
