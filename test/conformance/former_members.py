"""Scripts: members of groups that are replaced or taken out while the others still count on them."""

import select
import time

from coordinators import Member, described

REBALANCE_MS = 5000
REBALANCE_IN_PROGRESS = 27
QUIET_SECONDS = 1  # what is not answered by then is not answered


def joined(t, instance=None):
    """A leader and a second member, which await the leader's assignments."""
    group = t.topic("group")
    leader = Member(t, group, "leader", rebalance_ms=REBALANCE_MS)
    second = Member(t, group, "second", instance, rebalance_ms=REBALANCE_MS)
    leader.join()
    leader.sync([(leader.id, b"all")])
    if not instance:
        second.joined(second.ask("JoinGroup", 9, second.join_values(["range"])))
    second.join_later()
    rebalances(t, leader)
    leader.join_later()
    leader.receive("JoinGroup")
    second.receive("JoinGroup")
    return leader, second


def rebalances(t, m):
    """Waits for it."""
    t.until(lambda: m.heartbeat(note=False)["error_code"] == REBALANCE_IN_PROGRESS)


def assign(leader, second):
    leader.sync([(leader.id, b"for the leader"), (second.id, b"for the second")])


def restarted(t, former):
    m = Member(t, former.group, "again", former.instance, rebalance_ms=REBALANCE_MS)
    m.join()
    former.heartbeat()
    return m


def noted_answer(t, m, what):
    """Whether what m asked for is answered, and how."""
    socket = t.connection(m.node, m.name).socket
    if select.select([socket], [], [], QUIET_SECONDS)[0]:
        m.receive(what)
    else:
        t.note(f"{what} of {m.name} is not answered", None)


def replaced_before_sync(t):
    """A static member restarts before it has sent SyncGroup: its former self's is awaited all the same."""
    leader, second = joined(t, "i")
    assign(leader, second)
    again = restarted(t, second)
    again.sync()
    leader.heartbeat()
    again.heartbeat()
    described(t, leader.group, leader.node)
    rebalances(t, leader)
    described(t, leader.group, leader.node)
    again.heartbeat()
    again.join_later()
    leader.join_later()
    leader.receive("JoinGroup")
    again.receive("JoinGroup")
    assign(leader, again)
    again.sync()
    described(t, leader.group, leader.node)


def replaced_and_never_synced(t):
    """Nor does the one that replaced it: it stays a member, for nobody waits for its own."""
    leader, second = joined(t, "i")
    assign(leader, second)
    again = restarted(t, second)
    rebalances(t, leader)
    described(t, leader.group, leader.node)
    again.heartbeat()


def replaced_after_sync(t):
    """It has sent SyncGroup before it restarts: the group stays as it is."""
    leader, second = joined(t, "i")
    assign(leader, second)
    second.sync()
    again = restarted(t, second)
    time.sleep(REBALANCE_MS / 1000 + 1)
    leader.heartbeat()
    again.heartbeat()
    described(t, leader.group, leader.node)


def taken_out_while_syncing(t):
    """An administrator takes a member out that waits for the leader's assignments."""
    leader, second = joined(t)
    second.sync_later()
    described(t, leader.group, leader.node)
    t.ask("LeaveGroup", 5, {"group_id": leader.group, "members": [
        {"member_id": second.id, "group_instance_id": None, "reason": None}]}, leader.node)
    noted_answer(t, second, "SyncGroup")
    leader.heartbeat()
    leader.join()
    leader.sync([(leader.id, b"all")])
    described(t, leader.group, leader.node)
    noted_answer(t, second, "SyncGroup")


def taken_out_while_joining(t):
    """The same of one that waits for the others to join."""
    leader, second = joined(t)
    assign(leader, second)
    second.sync()
    third = Member(t, leader.group, "third", rebalance_ms=REBALANCE_MS)
    third.joined(third.ask("JoinGroup", 9, third.join_values(["range"])))
    third.join_later()
    rebalances(t, leader)
    t.ask("LeaveGroup", 5, {"group_id": leader.group, "members": [
        {"member_id": third.id, "group_instance_id": None, "reason": None}]}, leader.node)
    noted_answer(t, third, "JoinGroup")
    leader.heartbeat()


SCRIPTS = [replaced_before_sync, replaced_and_never_synced, replaced_after_sync, taken_out_while_syncing,
           taken_out_while_joining]
