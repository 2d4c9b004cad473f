from hypothesis import given
from hypothesis import strategies as st

from tidegate.planning.addresses import free_addresses


@given(st.sets(st.integers(2, 127), max_size=120))
def test_a_free_address_is_in_the_lower_half_and_nobodys(used: set[int]) -> None:
    taken = {f"10.213.0.{n}" for n in used}
    found = list(free_addresses("10.213.0.0/24", taken))
    assert not set(found) & taken
    assert {f"10.213.0.{n}" for n in range(2, 128)} == set(found) | taken


def test_an_address_is_reused_as_late_as_possible() -> None:
    assert next(free_addresses("10.213.0.0/24", ["10.213.0.5"])) == "10.213.0.6"
    assert next(free_addresses("10.213.0.0/24", ["10.213.0.127"])) == "10.213.0.2"
