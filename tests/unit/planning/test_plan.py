"""What every plan promises, whatever happened before and wherever it was cut off."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.planning.simulation import T0, World, release

from tidegate.domain.action import Drain, Probe, RemoveReplicas, SetRestarts, Shift, StartReplicas
from tidegate.domain.observation import Phase
from tidegate.planning.desired import Desired
from tidegate.planning.plan import make_plan, wanted_places

shapes = st.tuples(st.integers(1, 3), st.integers(0, 2), st.booleans())
NUMBERS = (1, 2, 3)


def carry_out(world: World, desired: Desired, actions: int | None = None) -> int:
    """Observe, plan, apply one action, again; at most `actions` of them. Returns how many were applied."""
    done = 0
    while actions is None or done < actions:
        plan = make_plan(desired, world.seen, world.now)
        if not plan:
            break
        before = serving_and_running(world)
        world.apply(plan.actions[0])
        after = serving_and_running(world)
        if desired.release and not desired.destroy and before:
            wanted = sum(1 for s, _ in wanted_places(desired.release) if s.name == "web")
            assert len(after) >= min(len(before), wanted), f"fewer serve after {plan.actions[0]}"
        done += 1
        assert done < 100, "the plan does not come to an end"
    return done


def serving_and_running(world: World) -> set[tuple[int, str, int]]:
    running = {r.key for r in world.seen.replicas if r.running}
    return {(s.release, s.service, s.index) for s in world.seen.traffic.serving} & running


def reached(world: World, number: int) -> None:
    serving = {s.release for s in world.seen.traffic.serving}
    assert serving == {number}
    assert {r.release for r in world.seen.replicas if r.restarts} == {number}


def test_a_first_release_is_started_probed_and_given_the_traffic_in_this_order() -> None:
    world = World()
    kinds = [type(a) for a in make_plan(Desired(release(1)), world.seen, T0).actions]
    assert kinds.index(StartReplicas) < kinds.index(Probe) < kinds.index(Shift) < kinds.index(SetRestarts)


def test_nothing_that_serves_is_touched_before_the_shift() -> None:
    world = World()
    carry_out(world, Desired(release(1)))
    actions = make_plan(Desired(release(2)), world.seen, T0).actions
    shift = next(i for i, a in enumerate(actions) if isinstance(a, Shift))
    assert all(getattr(a, "release", 2) == 2 for a in actions[:shift])


def test_a_rollback_to_a_warm_release_only_shifts() -> None:
    world = World()
    carry_out(world, Desired(release(1)))
    carry_out(world, Desired(release(2)))
    kinds = [type(a) for a in make_plan(Desired(release(1)), world.seen, world.now).actions]
    assert kinds[0] is Shift
    assert StartReplicas not in kinds
    assert RemoveReplicas not in kinds


def test_the_old_release_stays_warm_for_its_time_and_goes_then() -> None:
    world = World()
    carry_out(world, Desired(release(1)))
    carry_out(world, Desired(release(2)))
    warm = release(2).configuration.strategy.keep_warm
    assert not make_plan(Desired(release(2)), world.seen, world.now + timedelta(seconds=warm - 1))
    world.pass_time(warm)
    carry_out(world, Desired(release(2)))
    assert {r.release for r in world.seen.replicas} == {2}


def test_a_release_that_never_served_is_not_kept() -> None:
    world = World()
    carry_out(world, Desired(release(1)))
    carry_out(world, Desired(release(2)), actions=1)  # started, and then it fails its probe
    assert {r.release for r in world.seen.replicas} == {1, 2}
    carry_out(world, Desired(release(1)))
    assert {r.release for r in world.seen.replicas} == {1}
    reached(world, 1)


def test_what_is_open_is_drained_before_anything_is_stopped() -> None:
    world = World()
    for number in (1, 2, 3):
        carry_out(world, Desired(release(number)), actions=4 if number == 3 else None)
    world.request_arrives(1)
    actions = make_plan(Desired(release(3)), world.seen, world.now).actions
    drain = next(i for i, a in enumerate(actions) if isinstance(a, Drain) and a.release == 1)
    stop = next(i for i, a in enumerate(actions) if isinstance(a, RemoveReplicas) and a.release == 1)
    assert drain < stop


def test_an_agent_that_was_restarted_finds_a_serving_environment_satisfied() -> None:
    world = World()
    carry_out(world, Desired(release(1, worker=1)))
    world.forget_proofs()
    assert not make_plan(Desired(release(1, worker=1)), world.seen, world.now)


def test_a_serving_container_that_died_is_replaced_probed_and_put_back() -> None:
    world = World()
    carry_out(world, Desired(release(1)))
    world.kill(world.seen.replicas[0])
    kinds = [type(a) for a in make_plan(Desired(release(1)), world.seen, world.now).actions]
    assert kinds == [StartReplicas, Probe, Shift, SetRestarts]


def test_destroying_leaves_nothing() -> None:
    world = World()
    carry_out(world, Desired(release(1, worker=1, database=True)))
    carry_out(world, Desired(None, destroy=True))
    seen = world.seen
    assert (seen.network, seen.replicas, seen.accessories, seen.release_networks) == (None, (), (), frozenset())
    assert not seen.traffic.routes


@settings(max_examples=300, deadline=None)
@given(
    shapes=st.tuples(shapes, shapes, shapes),
    story=st.lists(
        st.one_of(
            st.tuples(st.just("want"), st.sampled_from(NUMBERS), st.integers(0, 12)),
            st.tuples(st.just("kill"), st.integers(0, 9), st.just(0)),
            st.tuples(st.just("revive"), st.integers(0, 9), st.just(0)),
            st.tuples(st.just("wait"), st.integers(1, 900), st.just(0)),
            st.tuples(st.just("restart agent"), st.just(0), st.just(0)),
            st.tuples(st.just("request"), st.sampled_from(NUMBERS), st.just(0)),
        ),
        max_size=12,
    ),
    last=st.sampled_from(NUMBERS),
)
def test_any_prefix_of_any_plan_and_any_mishap_between_lead_to_the_wanted_release(
    shapes: tuple[tuple[int, int, bool], ...], story: list[tuple[str, int, int]], last: int
) -> None:
    releases = {
        n: release(n, web=web, worker=worker, database=db) for n, (web, worker, db) in zip(NUMBERS, shapes, strict=True)
    }
    world = World()
    for what, which, count in story:
        replicas = world.seen.replicas
        if what == "want":
            carry_out(world, Desired(releases[which]), actions=count)
        elif what == "kill" and replicas:
            world.kill(replicas[which % len(replicas)])
        elif what == "revive" and replicas and replicas[which % len(replicas)].phase is Phase.EXITED:
            world.revive(replicas[which % len(replicas)])
        elif what == "wait":
            world.pass_time(which)
        elif what == "restart agent":
            world.forget_proofs()
        elif what == "request":
            world.request_arrives(which)
    carry_out(world, Desired(releases[last]))
    reached(world, last)
    places = {(last, s.name, i) for s, i in wanted_places(releases[last])}
    assert {r.key for r in world.seen.of_release(last) if r.running} == places
    assert not make_plan(Desired(releases[last]), world.seen, world.now), "a satisfied environment has a plan"
    world.pass_time(100_000)
    carry_out(world, Desired(releases[last]))
    assert {r.key for r in world.seen.replicas} == places, "something is left over"
    carry_out(world, Desired(None, destroy=True))
    assert world.seen.network is None
    assert not world.seen.replicas
