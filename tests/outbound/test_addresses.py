import ipaddress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.outbound.addresses import SPECIAL_IPV4, SPECIAL_IPV6, is_off_limits, is_public, special_use

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "2400::1",
    "2606:4700:4700::1111",
    "2620:4f:7fff::1",
    "2a00::1",
)

# Forms that Python calls global on some version that we support.
LET_THROUGH_ELSEWHERE = (
    "5f00::1",
    "100:0:0:1::1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "fec0::1",
    "192.88.99.1",
    "224.0.0.1",
    "3fff::1",
    "ff0e::1",
    "4000::1",
    "e000::1",
    "::127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
    "2001:0:808:808::1",
    "168.63.129.16",
)

rows = pytest.mark.parametrize("network", [network for network, _ in (*SPECIAL_IPV4, *SPECIAL_IPV6)], ids=str)


@pytest.mark.parametrize("text", PUBLIC)
def test_ordinary_addresses_are_public(text: str):
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", LET_THROUGH_ELSEWHERE)
def test_forms_that_other_tables_let_through_are_not_public(text: str):
    assert not is_public(ip_address(text))


@rows
def test_every_row_holds_from_its_first_address_to_its_last(network: ipaddress.IPv4Network | ipaddress.IPv6Network):
    assert not is_public(network[0])
    assert not is_public(network[-1])
    assert special_use(network[0])


@given(st.ip_addresses(v=4))
def test_what_is_public_is_global_for_python_too(address: IPv4Address):
    assert address.is_global or not is_public(address)


@given(st.one_of(st.ip_addresses(v=6), st.ip_addresses(network="2000::/3"), st.ip_addresses(network="2001::/16")))
def test_what_is_public_in_ipv6_is_global_unicast_for_python_too(address: IPv6Address):
    assert not is_public(address) or (address.is_global and address in ip_network("2000::/3"))


@given(st.ip_addresses(v=4))
def test_no_ipv6_form_that_carries_an_ipv4_address_is_public(address: IPv4Address):
    number = int(address)
    carriers = (
        number,
        (0xFFFF << 32) | number,
        (0xFFFF << 48) | number,
        (0x64FF9B << 96) | number,
        (0x2002 << 112) | (number << 80),
        (0x2001 << 112) | number,
    )

    assert not any(is_public(IPv6Address(carrier)) for carrier in carriers)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001::1",
        "fe80::1",
        "fe80::1%1",
        "::1%1",
        "2606:4700:4700::1111%1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
    ],
)
def test_what_no_operator_can_mean_stays_closed(text: str):
    assert is_off_limits(ip_address(text))
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1", "1.1.1.1", "2a00::1"])
def test_what_an_operator_may_mean_can_be_opened(text: str):
    assert not is_off_limits(ip_address(text))
