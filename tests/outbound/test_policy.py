import pytest

from sluiceway.outbound import OutboundRefused, Policy, check_url, read_policy

LONG = "http://127.0.0.1:8089, https://10.0.0.0/8,http://tax.lan:8080 , https://[fd00::/8]:8443, http://[::1]"


def allows(policy: Policy, url: str) -> bool:
    try:
        check_url(url, policy)
    except OutboundRefused:
        return False
    return True


@pytest.mark.parametrize("text", ["", "  "])
def test_without_the_setting_nothing_is_allowed(text: str):
    assert read_policy(text) == Policy()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8089/amount",
        "https://10.1.2.3",
        "https://10.1.2.3:443/",
        "http://tax.lan:8080",
        "http://TAX.lan:8080",
        "https://[fd00::2]:8443/",
        "http://[::1]/",
        "http://[::1]:80/",
    ],
)
def test_what_is_listed_is_allowed(url: str):
    assert allows(read_policy(LONG), url)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:8089/amount",
        "http://127.0.0.1/",
        "http://127.0.0.1:8088/",
        "http://127.0.0.2:8089/",
        "http://127.1:8089/",
        "http://2130706433:8089/",
        "http://0x7f.0.0.1:8089/",
        "http://127.0.0.1.:8089/",
        "http://[::ffff:127.0.0.1]:8089/",
        "http://user@127.0.0.1:8089/",
        "http://10.1.2.3/",
        "https://10.1.2.3:8443",
        "https://11.1.2.3",
        "https://tax.lan:8080",
        "http://tax.lan:8081",
        "http://xtax.lan:8081",
        "http://a.tax.lan:8081",
        "https://[fd00::2]/",
        "https://[fe00::2]:8443/",
        "https://[fd00:ec2::254]:8443/",
        "https://[::1]/",
        "http://[::1%251]/",
        "http://[0:0:0:0:0:0:0:1]/",
    ],
)
def test_what_is_not_listed_is_not_allowed(url: str):
    assert not allows(read_policy(LONG), url)


@pytest.mark.parametrize("text", ["https://0.0.0.0/0", "http://[::/0]:80, http://0.0.0.0/0:80"])
def test_no_width_of_an_entry_opens_what_stays_closed(text: str):
    policy = read_policy(text)

    assert not any(
        allows(policy, f"{scheme}://{host}/")
        for scheme in ("http", "https")
        for host in ("0.0.0.1", "169.254.169.254", "168.63.129.16", "[::]", "[fe80::1]", "[::ffff:7f00:1]", "[2002::1]")
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("tax.lan", "'tax.lan' is not an entry"),
        ("ftp://tax.lan", "is not an entry"),
        ("http://", "is not an entry"),
        ("http://tax.lan/", "is not an entry"),
        ("http://tax.lan/amount", "is not an entry"),
        ("http://user@tax.lan", "is not an entry"),
        ("http://tax.lan:", "is not an entry"),
        ("http://*.lan", "is not an entry"),
        ("*", "is not an entry"),
        ("http://a, ,http://b", "'' is not an entry"),
        ("http://a http://b", "is not an entry"),
        ("http://fd00::1", "is not an entry"),
        ("http://tax.lan:0", "a port is from 1 to 65535"),
        ("http://tax.lan:65536", "a port is from 1 to 65535"),
        ("http://-tax.lan", "'-tax.lan' is not a host name"),
        ("http://tax.lan.", "'tax.lan.' is not a host name"),
        ("http://tax..lan", "'tax..lan' is not a host name"),
        ("http://0x7f.1x.0x1", "'0x7f.1x.0x1' is not a host name"),
        ("http://127.1", "'127.1' does not appear to be"),
        ("http://256.0.0.1", "'256.0.0.1' does not appear to be"),
        ("https://10.0.0.1/8", "10.0.0.1/8 has host bits set"),
        ("https://10.0.0.0/33", "does not appear to be"),
        ("https://[10.0.0.1]x", "is not an entry"),
        ("https://[::1%1]", "is not an entry"),
        ("http://169.254.169.254", "cannot be allowed"),
        ("http://0.0.0.0", "cannot be allowed"),
        ("http://[::ffff:10.0.0.0/104]", "cannot be allowed"),
        ("http://[fe80::/10]", "cannot be allowed"),
    ],
)
def test_an_entry_that_makes_no_sense_is_named(text: str, named: str):
    with pytest.raises(ValueError, match=r"^'") as wrong:
        read_policy(text)

    assert named in str(wrong.value)
