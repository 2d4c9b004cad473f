"""The benchmarks' own arithmetic: a measurement that cannot see a fault measures nothing."""

import pytest
from bench.serving import Answer, taken_over
from bench.stats import median, percentile, table
from bench.switch import Asked, Switch, windows, wrong_releases


def answers(*versions: str | None) -> list[Answer]:
    return [Answer(float(i), i + 0.5, version) for i, version in enumerate(versions)]


def asked(at: float, version: str | None = "new", took: float = 0.01) -> Asked:
    return Asked(at, at, at + took, version, "")


def test_a_release_has_taken_over_with_the_first_answer_after_which_no_other_comes() -> None:
    assert taken_over(answers("old", "new", "old", "new", "new"), "new") == 3.5


@pytest.mark.parametrize("versions", [("old", "old"), ("new", "old"), ("new", None)])
def test_a_release_that_does_not_answer_at_the_end_never_took_over(versions: tuple[str | None, ...]) -> None:
    with pytest.raises(RuntimeError):
        taken_over(answers(*versions), "new")


def test_percentiles_are_samples() -> None:
    samples = [float(i) for i in range(1, 101)]
    assert percentile(samples, 0.99) == 99
    assert percentile(samples, 0.5) == 50
    assert percentile(samples, 1) == 100
    assert percentile([7.0], 0.99) == 7
    assert median([4, 1, 3, 2]) == 2.5


def test_only_requests_sent_between_a_confirmed_shift_and_the_next_one_can_be_wrong() -> None:
    shift, following = Switch("deploy", 9.0, 10.0, "new"), Switch("rollback", 20.0, 21.0, "old")
    requests = [asked(9.5, "old"), asked(10.5, "old"), asked(11, "new"), asked(12, None), asked(20.5, "old")]
    assert wrong_releases(requests, shift, following) == 1


def test_windows_around_shifts_and_quiet_ones_are_equally_long_and_apart() -> None:
    requests = [asked(i / 10, took=0.001 * i) for i in range(400)]
    shift, quiet = windows(requests, [Switch("deploy", 19.5, 20.0, "new")])
    assert abs(len(shift) - len(quiet)) <= 1
    assert max(shift) < min(quiet)


def test_a_table_lines_up() -> None:
    assert table(["a", "n"], [["long", "1"], ["x", "22"]]).splitlines() == [
        "a      n",
        "----  --",
        "long   1",
        "x     22",
    ]
