"""Stories about what is kept beside sessions: revocations, bans, counts, profiles, forms, whole-session saves."""

from __future__ import annotations

from harness.objects.counter import ATTEMPTS
from harness.objects.flag import ADDRESS, CUT_OFF, PROFILE, REVOKED, SPENT
from harness.objects.listed import FORM
from harness.objects.message import ENDED
from harness.objects.saved import SAVED
from harness.objects.tally import ONLINE
from harness.objects.unused import UNUSED
from lab.past import Past

FULL = "OOM command not allowed when used memory > 'maxmemory'."


def revocation_lost() -> Past:
    """Acked, not replicated, and the next primary lets the token in."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 2.0)
    past.put(REVOKED, ann, ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.look(REVOKED, ann, ann, 5.0)
    return past


def revocation_gone() -> Past:
    """Nobody asked before the audit did."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(REVOKED, ann, ann, 2.0)
    past.forget(REVOKED, ann, 3.0)
    return past


def revocation_holds() -> Past:
    """Through a failover that loses nothing."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.look(REVOKED, ann, ann, 1.5)
    past.put(REVOKED, ann, ann, 2.0)
    past.fail_over("redis-2", 4.0)
    past.look(REVOKED, ann, ann, 5.0)
    return past


def revocation_over() -> Past:
    """The token would have expired by then."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(REVOKED, ann, ann, 2.0, lives=3.0)
    past.look(REVOKED, ann, ann, 5.1)
    return past


def revocation_asked_for_meanwhile() -> Past:
    """Who asked while it was under way may be told either."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(REVOKED, ann, ann, 2.0, took=0.2)
    past.look(REVOKED, ann, ann, 2.05)
    return past


def revocation_without_an_answer() -> Past:
    """Nobody was told that it had been made; it was, and it holds."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(REVOKED, ann, ann, 2.0, outcome="unknown", executed=2.4)
    past.look(REVOKED, ann, ann, 2.2)
    past.look(REVOKED, ann, ann, 3.0)
    return past


def revocation_that_nobody_read() -> Past:
    """The primary did not answer the audit."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(REVOKED, ann, ann, 2.0)
    past.silent.add("redis-1")
    return past


def revocation_over_before_anybody_looked() -> Past:
    """It ran out after the fault, and nobody asked in between."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(REVOKED, ann, ann, 2.0, lives=10.0)
    past.fault(3.0)
    return past


def revoked_by_nobody() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.act(2.0, lambda: past.stores["redis-1"].objects.update({REVOKED.key(ann): ("9", 1e9)}))
    past.look(REVOKED, ann, ann, 3.0)
    return past


def deposed_guard() -> Past:
    """A web server that still asks the old primary lets in; on the new one the revocation holds."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-1", 2.0)
    past.fail_over("redis-2", 3.0, follow=9.0)
    past.put(REVOKED, ann, ann, 4.0)
    past.look(REVOKED, ann, ann, 5.0, node="redis-1")
    return past


def ban_undone() -> Past:
    """The new primary has an older cut-off: what was issued in between is accepted again."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(CUT_OFF, "ann", ann, 2.0)
    past.cut_off("redis-2", 3.0)
    past.put(CUT_OFF, "ann", ann, 4.0)
    past.fail_over("redis-2", 5.0)
    past.look(CUT_OFF, "ann", ann, 6.0)
    return past


def banned_twice() -> Past:
    """Two at once: either may be the last."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(CUT_OFF, "ann", ann, 2.0, took=0.5)
    past.put(CUT_OFF, "ann", ann, 2.1, took=0.1)
    past.look(CUT_OFF, "ann", ann, 3.0)
    return past


def limit_bypassed() -> Past:
    """Three were allowed and made; the counter begins anew within the window."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    for at in (2.0, 2.1, 2.2, 2.3):
        past.count(ATTEMPTS, "ann", ann, at)
    past.forget(ATTEMPTS, "ann", 3.0)
    past.count(ATTEMPTS, "ann", ann, 4.0)
    return past


def limit_bypassed_little_by_little() -> Past:
    """The limit was never reached, and yet four were let in."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.count(ATTEMPTS, "ann", ann, 2.0)
    past.count(ATTEMPTS, "ann", ann, 2.1)
    past.forget(ATTEMPTS, "ann", 3.0)
    past.count(ATTEMPTS, "ann", ann, 4.0)
    past.count(ATTEMPTS, "ann", ann, 4.1)
    return past


def attempt_forgotten() -> Past:
    """One too few is counted; nobody had more tries than allowed."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.count(ATTEMPTS, "ann", ann, 2.0)
    past.forget(ATTEMPTS, "ann", 3.0)
    past.count(ATTEMPTS, "ann", ann, 4.0)
    return past


def attempts_counted_anew() -> Past:
    """A new window begins once the old one is over."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    for at in (2.0, 2.1, 2.2, 2.3, 7.1, 7.2):
        past.count(ATTEMPTS, "ann", ann, at, window=5.0)
    return past


def attempts_at_once() -> Past:
    """Numbers come back in any order where attempts overlap; one without an answer counts all the same."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.count(ATTEMPTS, "ann", ann, 2.0, took=0.4)
    past.count(ATTEMPTS, "ann", ann, 2.1, took=0.1)
    past.count(ATTEMPTS, "ann", ann, 2.5, outcome="unknown")
    past.count(ATTEMPTS, "ann", ann, 3.5)
    return past


def attempts_that_nobody_counted() -> Past:
    """The window ran out after the fault, and nobody tried in between."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.count(ATTEMPTS, "ann", ann, 2.0, window=10.0)
    past.fault(3.0)
    return past


def let_in() -> Past:
    """Redis did not answer, and the application let in."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.look(REVOKED, ann, ann, 2.0, outcome="unknown", told="let in unchecked")
    return past


def turned_away() -> Past:
    """Redis did not answer, and the application refused."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.look(REVOKED, ann, ann, 2.0, outcome="unknown")
    return past


def logged_in_turned_away() -> Past:
    """The limiter in front of every page cannot count, so two of ann's are refused; bob's has been let in."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    bob = past.log_in("bob", 1.0)
    past.count(ATTEMPTS, "bob", bob, 1.5)
    past.turned_away(ATTEMPTS, "ann", ann, 2.0, error=FULL)
    past.turned_away(ATTEMPTS, "ann", ann, 4.0, error=FULL)
    return past


def logged_out_turned_away() -> Past:
    """Whose session had ended, or could not be read either, had nothing to be let in with."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    bob = past.log_in("bob", 1.0)
    past.logout(ann, 2.0)
    past.turned_away(ATTEMPTS, "ann", ann, 3.0, error=FULL)
    past.turned_away(ATTEMPTS, "bob", bob, 3.0, error=FULL, outcome="unknown", executed=False)
    return past


def turned_away_while_logging_out() -> Past:
    """Which of the two came first nobody can tell."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, took=0.2)
    past.turned_away(ATTEMPTS, "ann", ann, 2.05, error=FULL)
    return past


def token_replayed() -> Past:
    """Spent, not replicated, and the next primary lets it in a second time."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 2.0)
    past.put(SPENT, ann, ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.put(SPENT, ann, ann, 5.0)
    return past


def use_forgotten() -> Past:
    """Nobody came with it again, but it would work."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(SPENT, ann, ann, 2.0)
    past.forget(SPENT, ann, 3.0)
    return past


def token_spent_once() -> Past:
    """Of two at once one is let in, and all later ones are refused."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(SPENT, ann, ann, 2.0, took=0.3)
    past.put(SPENT, ann, ann, 2.1, took=0.3)
    past.fail_over("redis-2", 4.0)
    past.put(SPENT, ann, ann, 5.0)
    return past


def token_spent_unheard() -> Past:
    """Nobody was told that it was let in; afterwards it is spent."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(SPENT, ann, ann, 2.0, outcome="unknown")
    past.put(SPENT, ann, ann, 3.0)
    return past


def fresh_token_refused() -> Past:
    """It is spent, and nobody has used it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.act(2.0, lambda: past.stores["redis-1"].objects.update({SPENT.key(ann): ("9", 1e9)}))
    past.put(SPENT, ann, ann, 3.0)
    return past


def profile_outdated() -> Past:
    """Changed, not replicated, and the next primary has the profile from before."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(PROFILE, "ann", ann, 1.5)
    past.cut_off("redis-2", 2.0)
    past.put(PROFILE, "ann", ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.look(PROFILE, "ann", ann, 5.0)
    return past


def profile_gone() -> Past:
    """Nobody asked before the audit did."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(PROFILE, "ann", ann, 2.0)
    past.forget(PROFILE, "ann", 3.0)
    return past


def profile_up_to_date() -> Past:
    """None at first, then the last one, through a failover."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.look(PROFILE, "ann", ann, 1.5)
    past.put(PROFILE, "ann", ann, 2.0)
    past.put(PROFILE, "ann", ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.look(PROFILE, "ann", ann, 5.0)
    return past


def profile_that_nobody_read() -> Past:
    """The primary did not answer the audit."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(PROFILE, "ann", ann, 2.0)
    past.silent.add("redis-1")
    return past


def step_lost() -> Past:
    """Two were finished, the next primary has one: the user does the second one again."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.count(FORM, ann, ann, 1.5, limit=None)
    past.cut_off("redis-2", 2.0)
    past.count(FORM, ann, ann, 3.0, limit=None)
    past.fail_over("redis-2", 4.0)
    past.count(FORM, ann, ann, 5.0, limit=None)
    return past


def steps_kept() -> Past:
    """Each in its turn; one without an answer was entered all the same."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.count(FORM, ann, ann, 1.5, limit=None)
    past.count(FORM, ann, ann, 2.0, limit=None, outcome="unknown")
    past.fail_over("redis-2", 4.0)
    past.count(FORM, ann, ann, 5.0, limit=None)
    return past


def form_that_nobody_read() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.count(FORM, ann, ann, 2.0, limit=None)
    past.silent.add("redis-1")
    return past


def token_let_in_unheard() -> Past:
    """Nobody answered, and the application let the user in all the same: the next one is refused rightly."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(SPENT, ann, ann, 2.0, outcome="unknown", told="let in unchecked")
    past.put(SPENT, ann, ann, 3.0)
    return past


def revocation_seen_and_gone_and_seen() -> Past:
    """Without an answer, so nobody was promised anything; but what was there cannot come and go."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(REVOKED, ann, ann, 1.5, outcome="unknown")
    past.look(REVOKED, ann, ann, 2.0)
    past.act(2.5, lambda: past.stores["redis-1"].objects.update({REVOKED.key(ann): ("2", -1.0)}))
    past.look(REVOKED, ann, ann, 3.0)
    past.act(3.5, lambda: past.stores["redis-1"].objects.update({REVOKED.key(ann): ("2", 1e12)}))
    past.look(REVOKED, ann, ann, 4.0)
    return past


def attempt_counted_twice() -> Past:
    """The second try got the third number, and nobody tried in between."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.count(ATTEMPTS, "ann", ann, 1.5)
    past.act(2.0, lambda: past.stores["redis-1"].objects.update({ATTEMPTS.key("ann"): ("2", 1e12)}))
    past.count(ATTEMPTS, "ann", ann, 2.5)
    return past


def binding_bypassed() -> Past:
    """Moved, not replicated, and the next primary lets in whoever comes from the old address."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(ADDRESS, ann, ann, 1.5)
    past.cut_off("redis-2", 2.0)
    past.put(ADDRESS, ann, ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.look(ADDRESS, ann, ann, 5.0)
    return past


def binding_holds() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(ADDRESS, ann, ann, 1.5)
    past.put(ADDRESS, ann, ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.look(ADDRESS, ann, ann, 5.0)
    return past


def binding_that_nobody_read() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(ADDRESS, ann, ann, 2.0)
    past.silent.add("redis-1")
    return past


def visits_lost() -> Past:
    """Two came, the next primary knows of one."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.enter(ONLINE, "site", ann, 1.5)
    past.cut_off("redis-2", 2.0)
    past.enter(ONLINE, "site", ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.tally(ONLINE, "site", ann, 5.0)
    return past


def visits_lost_before_others() -> Past:
    """Two came before the failover and are lost, one came after it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    eve = past.log_in("eve", 1.2)
    past.enter(ONLINE, "site", ann, 1.5)
    past.cut_off("redis-2", 2.0)
    past.enter(ONLINE, "site", eve, 3.0)
    past.enter(ONLINE, "site", ann, 3.2)
    past.fail_over("redis-2", 4.0)
    past.enter(ONLINE, "site", past.log_in("bob", 5.0), 5.1)
    past.tally(ONLINE, "site", ann, 6.0)
    return past


def visit_that_did_not_leave() -> Past:
    """It was taken out, and the next primary still counts it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    entered = past.enter(ONLINE, "site", ann, 1.5)
    past.cut_off("redis-2", 2.0)
    past.leave(ONLINE, "site", entered, 3.0)
    past.fail_over("redis-2", 4.0)
    past.tally(ONLINE, "site", ann, 5.0)
    return past


def visits_come_and_go() -> Past:
    """Some are under way, some end by themselves, one may have been made."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    entered = past.enter(ONLINE, "site", ann, 1.5)
    past.enter(ONLINE, "site", ann, 1.6, lasts=2.0)
    past.enter(ONLINE, "site", ann, 1.7, outcome="unknown", executed=False)
    past.enter(ONLINE, "site", ann, 1.8, outcome="unknown")
    past.tally(ONLINE, "site", ann, 1.9)
    past.tally(ONLINE, "site", ann, 3.0, took=0.3)
    past.leave(ONLINE, "site", entered, 3.1)
    past.fail_over("redis-2", 4.0)
    past.tally(ONLINE, "site", ann, 5.0)
    return past


def visits_that_nobody_counted() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.enter(ONLINE, "site", ann, 1.5)
    past.silent.add("redis-1")
    return past


def save_lost() -> Past:
    """Saved, not replicated, and the next request finds the session as it was before."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.save(SAVED, ann, ann, 1.5)
    past.cut_off("redis-2", 2.0)
    past.save(SAVED, ann, ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.look(SAVED, ann, ann, 5.0)
    past.save(SAVED, ann, ann, 5.1)
    return past


def save_overwritten() -> Past:
    """Both read the same, and the second carries away what the first has saved."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.save(SAVED, ann, ann, 1.5)
    past.save(SAVED, ann, ann, 2.1, read=2.0)
    past.save(SAVED, ann, ann, 2.2, read=2.05)
    past.look(SAVED, ann, ann, 3.0)
    return past


def saved_in_turn() -> Past:
    """Each built on the one before, one without an answer; through a failover."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.look(SAVED, ann, ann, 1.2)
    past.save(SAVED, ann, ann, 1.5)
    past.save(SAVED, ann, ann, 2.1, read=2.0)
    past.save(SAVED, ann, ann, 2.2, outcome="unknown")
    past.fail_over("redis-2", 4.0)
    past.save(SAVED, ann, ann, 5.0)
    past.look(SAVED, ann, ann, 6.0)
    return past


def saved_and_not_read() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.save(SAVED, ann, ann, 1.5)
    past.silent.add("redis-1")
    return past


def message_lost() -> Past:
    """A web server serves its copy for as long as it likes."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(ENDED, ann, ann, 2.0)
    past.forget(ENDED, ann, 2.5)
    past.look(ENDED, ann, ann, 8.0)
    return past


def message_heard() -> Past:
    """It takes a moment; then everybody knows."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.look(ENDED, ann, ann, 1.5)
    past.put(ENDED, ann, ann, 2.0, took=0.2)
    past.look(ENDED, ann, ann, 2.05)
    past.look(ENDED, ann, ann, 8.0)
    return past


def orphan_session() -> Past:
    """Nobody logged in, and something was stored."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.look(UNUSED, "bot", ann, 2.0)
    past.put(UNUSED, "bot", ann, 2.1)
    return past


def visitor_greeted() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.look(UNUSED, "bot", ann, 2.0)
    return past
