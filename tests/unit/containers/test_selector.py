"""What `--container` and `--pod` mean among the containers there are."""

from __future__ import annotations

import pytest

from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput
from sigtrace.events.container import Container

WEB = Container("aa11" * 16, "web-1", "docker", "nginx:1.25")
OLD_WEB = Container("bb22" * 16, "web-1", "docker", "nginx:1.24")
HEX_NAME = Container("cc33" * 16, "aa1", "podman")
APP_A = Container("dd44" * 16, "app", "containerd", pod="checkout-7d4f", pod_namespace="shop")
APP_B = Container("ee55" * 16, "app", "containerd", pod="basket-1", pod_namespace="shop")
SIDECAR = Container("ff66" * 16, "proxy", "containerd", pod="checkout-7d4f", pod_namespace="shop")
PODMAN_POD = Container("1177" * 16, "db", "podman", pod="backend")
ALL = (WEB, OLD_WEB, HEX_NAME, APP_A, APP_B, SIDECAR, PODMAN_POD)


def meant(*containers: str, pods: tuple[str, ...] = ()) -> list[Container]:
    wanted = ContainerSelector(containers, pods).checked(ALL)
    return [each for each in ALL if wanted.matches(each)]


def refused(*containers: str, pods: tuple[str, ...] = ()) -> str:
    with pytest.raises(BadInput) as caught:
        ContainerSelector(containers, pods).checked(ALL)
    return str(caught.value)


def test_a_name_means_the_container_also_when_it_was_made_anew() -> None:
    assert meant("web-1") == [WEB, OLD_WEB]


def test_the_beginning_of_an_id_means_that_container() -> None:
    assert meant("bb22") == [OLD_WEB]
    assert meant("bb22" * 16) == [OLD_WEB]


def test_a_name_beats_the_beginning_of_an_id() -> None:
    assert meant("aa1") == [HEX_NAME]


def test_two_letters_are_no_beginning_of_an_id() -> None:
    assert refused("bb") == "no container here is called 'bb': give at least 3 characters of an ID"


def test_a_container_may_be_named_with_its_pod() -> None:
    assert meant("shop/checkout-7d4f/app") == [APP_A]
    assert meant("app", pods=("shop/basket-1",)) == [APP_B]


def test_a_pod_means_all_of_its_containers() -> None:
    assert meant(pods=("shop/checkout-7d4f",)) == [APP_A, SIDECAR]
    assert meant(pods=("backend",)) == [PODMAN_POD]


def test_a_pod_may_stand_where_a_container_may_and_means_all_of_its_containers() -> None:
    assert meant("shop/checkout-7d4f") == meant("checkout-7d4f") == [APP_A, SIDECAR]
    assert meant("shop/*") == [APP_A, APP_B, SIDECAR]
    assert meant("backend", "web-1") == [WEB, OLD_WEB, PODMAN_POD]


def test_a_pattern_without_a_slash_is_of_containers_only() -> None:
    assert "no container here matches 'checkout-*'" in refused("checkout-*")


def test_the_name_of_a_container_beats_that_of_a_pod() -> None:
    of_pod = Container("2288" * 16, "side", "containerd", pod="web-1", pod_namespace="shop")
    wanted = ContainerSelector(("web-1",)).checked((*ALL, of_pod))
    assert not wanted.matches(of_pod)


def test_a_word_for_a_pod_does_not_name_its_sandbox_itself() -> None:
    sandbox = Container("3399" * 16, "POD", "cri-o", pod="checkout-7d4f", pod_namespace="shop")
    assert not ContainerSelector(("shop/checkout-*",)).singles_out(sandbox)
    assert not ContainerSelector(("checkout-7d4f",)).singles_out(sandbox)
    assert ContainerSelector(("shop/checkout-7d4f/POD",)).singles_out(sandbox)


def test_patterns_mean_as_many_as_they_like() -> None:
    assert meant("web-*") == [WEB, OLD_WEB]
    assert meant(pods=("shop/*",)) == [APP_A, APP_B, SIDECAR]


def test_a_name_in_several_pods_is_ambiguous_and_they_are_listed() -> None:
    assert refused("app") == (
        "'app' may be shop/checkout-7d4f/app (containerd) or shop/basket-1/app (containerd): "
        "say which, or give an ID"
    )


def test_an_id_that_begins_two_is_ambiguous() -> None:
    two = [Container("abcdef01"), Container("abcdef02")]
    with pytest.raises(BadInput, match=r"'abcd' may be abcdef01 or abcdef02"):
        ContainerSelector(("abcd",)).checked(two)


def test_an_unknown_name_is_an_error_with_the_near_ones() -> None:
    assert refused("web-2") == "no container here is called 'web-2': did you mean web-1?"
    assert refused(pods=("shop/chekout-7d4f",)).endswith("did you mean shop/checkout-7d4f?")


def test_near_ones_are_those_that_differ_in_case_or_continue_the_word() -> None:
    assert refused("WEB-1").endswith("did you mean web-1?")
    assert refused(pods=("shop/check",)).endswith("did you mean shop/checkout-7d4f?")


def test_without_near_ones_it_says_what_there_is() -> None:
    assert refused("zzzzzzzzzz").endswith(
        "there are aa1, backend/db, shop/basket-1/app, shop/checkout-7d4f/app, shop/checkout-7d4f/proxy and web-1"
    )
    with pytest.raises(BadInput, match="there is no container that sigtrace can name"):
        ContainerSelector(("x",)).checked([])


def test_a_pattern_that_matches_nothing_is_an_error() -> None:
    assert "no container here matches 'nope-*'" in refused("nope-*")


def test_one_that_has_yet_to_start_is_no_mistake_if_one_waits() -> None:
    wanted = ContainerSelector(("web-2",), ()).checked(ALL, wait=True)
    assert wanted.matches(Container("9" * 64, "web-2", "docker"))
    assert not wanted.matches(WEB)


def test_nobody_is_meant_by_words_and_everybody_without() -> None:
    assert ContainerSelector().matches(None)
    assert not ContainerSelector(("web-1",)).matches(None)


def test_a_hostile_name_is_printed_harmlessly() -> None:
    evil = Container("9" * 64, "x\x1b[31mweb", "docker")
    with pytest.raises(BadInput) as caught:
        ContainerSelector(("y",)).checked([evil])
    assert "\x1b" not in str(caught.value)


def test_the_label_fits_a_column_by_what_tells_most() -> None:
    assert APP_A.fitting(40) == "shop/checkout-7d4f/app"
    assert APP_A.fitting(18) == "checkout-7d4f/app"
    assert APP_A.fitting(12) == "checkou…/app"
    assert SIDECAR.fitting(12) == "check…/proxy"
    assert SIDECAR.fitting(6) == "proxy"
    assert SIDECAR.fitting(4) == "pro…"
    assert Container("ab" * 32).fitting(20) == "abababababab"


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (ContainerSelector(("",)), "an empty name matches no container"),
        (ContainerSelector((), ("",)), "an empty name matches no container and no pod"),
        (ContainerSelector((), ("a/b/c",)), "'a/b/c' is not a pod: write it as NAMESPACE/NAME"),
        (ContainerSelector((), ("shop/",)), "'shop/' is not a pod"),
    ],
)
def test_what_can_name_nothing_is_an_error_even_if_one_waits(
    wanted: ContainerSelector, sentence: str, wait: bool
) -> None:
    nameless = Container("9" * 64, "", "runc")
    with pytest.raises(BadInput, match=sentence):
        wanted.checked([nameless], wait=wait)


def test_a_very_long_name_is_not_repeated_whole() -> None:
    assert len(refused("x" * 100_000)) < 500
