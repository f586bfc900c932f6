from ipaddress import ip_address

import pytest

from sluiceway.outbound import OutboundRefused, Policy, check_url, read_policy
from sluiceway.outbound.guard import check_addresses, check_connection
from tests.outbound.vectors import FINE, INNER_NAMES, ODD_URLS, ORDINARY_NAMES, odd_hosts

ODD_HOSTS = list(dict.fromkeys(odd_hosts()))
NOBODY = Policy()


def test_there_are_enough_vectors():
    assert len(ODD_HOSTS) + len(ODD_URLS) + len(INNER_NAMES) + len(ORDINARY_NAMES) > 600


@pytest.mark.parametrize("host", ODD_HOSTS, ids=ascii)
def test_a_url_with_an_odd_host_cannot_be_saved(host: str):
    for url in (f"https://{host}/amount", f"https://{host}", f"https://{host}:443/", f"http://{host}/"):
        with pytest.raises(OutboundRefused):
            check_url(url, NOBODY)


@pytest.mark.parametrize("url", ODD_URLS, ids=lambda url: ascii(url[:60]))
def test_an_odd_url_cannot_be_saved(url: str):
    with pytest.raises(OutboundRefused):
        check_url(url, NOBODY)


@pytest.mark.parametrize("name", INNER_NAMES)
def test_a_name_that_only_has_meaning_inside_cannot_be_saved(name: str):
    with pytest.raises(OutboundRefused, match="not a public name"):
        check_url(f"https://{name}/", NOBODY)


@pytest.mark.parametrize(("url", "read"), FINE.items())
def test_an_ordinary_url_is_read(url: str, read: tuple[str, int, str]):
    target = check_url(url, NOBODY)

    assert (target.host, target.port, target.path) == read
    assert target.authority == read[0]


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://tax.lan:8080/", "tax.lan:8080"),
        ("https://tax.lan/", "tax.lan"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("http://[::1]/", "[::1]"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
    ],
)
def test_the_host_header_is_the_name_with_an_unusual_port(url: str, authority: str):
    policy = read_policy("http://tax.lan:8080, https://tax.lan, http://[::1]:8080, http://[::1], http://127.0.0.1:8080")

    assert check_url(url, policy).authority == authority


@pytest.mark.parametrize("name", ORDINARY_NAMES)
@pytest.mark.parametrize(
    "addresses",
    [
        [],
        ["127.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
        ["127.0.0.1", "93.184.215.14"],
        ["93.184.215.14", "2606:4700::1", "::ffff:10.0.0.1"],
        [*(f"93.184.{n // 256}.{n % 256}" for n in range(511)), "10.0.0.1"],
        ["169.254.169.254"],
        ["168.63.129.16"],
        ["fe80::1%1"],
        ["2606:4700::1%1"],
        ["64:ff9b::a00:1"],
    ],
    ids=lambda addresses: ",".join(addresses[-2:]) or "none",
)
def test_one_bad_address_behind_a_name_refuses_it(name: str, addresses: list[str]):
    target = check_url(f"https://{name}/", NOBODY)

    with pytest.raises(OutboundRefused):
        check_addresses(target, [ip_address(address) for address in addresses], NOBODY)


def test_only_good_addresses_behind_a_name_let_it_through():
    target = check_url("https://example.com/", NOBODY)

    check_addresses(target, [ip_address(f"93.184.{n // 256}.{n % 256}") for n in range(512)], NOBODY)


@pytest.mark.parametrize(
    ("url", "address", "is_allowed"),
    [
        ("https://tax.internal/", "10.0.0.1", True),
        ("https://db/", "10.0.0.1", True),
        ("https://tax.internal/", "11.0.0.1", True),
        ("https://tax.internal/", "192.168.0.1", False),
        ("http://tax.internal:8080/", "192.168.0.1", True),
        ("http://tax.internal:8080/", "10.0.0.1", False),
        ("http://example.com:8080/", "93.184.215.14", False),
        ("http://tax.lan:99/", "93.184.215.14", True),
        ("http://tax.lan:99/", "10.0.0.1", True),
        ("http://tax.lan:99/", "169.254.169.254", False),
        ("http://tax.lan:99/", "::ffff:10.0.0.1", False),
    ],
)
def test_what_the_operator_allows_holds_for_its_scheme_port_and_network(url: str, address: str, is_allowed: bool):
    policy = read_policy("https://10.0.0.0/8, http://192.168.0.0/24:8080, http://tax.lan:99")
    target = check_url(url, policy)

    try:
        check_addresses(target, [ip_address(address)], policy)
        was_allowed = True
    except OutboundRefused:
        was_allowed = False

    assert was_allowed is is_allowed


def test_a_connection_that_leads_elsewhere_is_refused():
    target = check_url("https://example.com/", NOBODY)

    with pytest.raises(OutboundRefused, match=r"127\.0\.0\.1 instead"):
        check_connection(target, ip_address("93.184.215.14"), "127.0.0.1", "10.0.0.2", NOBODY)


def test_a_public_address_of_this_machine_is_refused_unless_it_is_listed():
    target = check_url("https://example.com/", NOBODY)
    address = ip_address("93.184.215.14")

    with pytest.raises(OutboundRefused, match="this machine"):
        check_connection(target, address, "93.184.215.14", "93.184.215.14", NOBODY)
    check_connection(target, address, "93.184.215.14", "10.0.0.2", NOBODY)
    check_connection(target, address, "93.184.215.14", "93.184.215.14", read_policy("https://example.com"))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://example.com/ ", "the URL has a character that is not visible ASCII"),
        ("https://b\u00fccher.example/", "the URL has a character that is not visible ASCII"),
        (f"https://example.com/{'a' * 2000}", "the URL is longer than 2000 characters"),
        ("ftp://example.com/", "the URL does not begin with https://"),
        ("http://example.com/", "the URL does not begin with https://"),
        ("https://me@example.com/", "the URL has a user name"),
        ("https://example.com/#x", "the URL has a fragment (#)"),
        ("https://example.com/{x}", "the URL's path has a character that must be written as %XX"),
        ("https://example.com:x/", "the URL's port is not a number from 1 to 65535"),
        ("https://example.com:8443/", "the URL's port is not 443"),
        ("https://127.0.0.1/", "the host is an address and not a name"),
        ("https://[::1]/", "the host is an address and not a name"),
        ("https://127.1/", "the host is an address in an unusual spelling"),
        ("https://[0::1]/", "the host is an address in an unusual spelling"),
        ("https://db.internal/", "the host is not a public name"),
    ],
)
def test_the_reason_says_what_to_change(url: str, reason: str):
    with pytest.raises(OutboundRefused) as refused:
        check_url(url, NOBODY)

    assert refused.value.reason == reason


@pytest.mark.parametrize("host", ["169.254.169.254", "127.1", "user@10.0.0.1", "db"])
def test_a_reason_never_repeats_the_host(host: str):
    with pytest.raises(OutboundRefused) as refused:
        check_url(f"https://{host}/", NOBODY)

    assert host not in refused.value.reason
