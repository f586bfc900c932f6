"""Ways to write a URL that leads inside, or that two readers would read differently."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

INNER = (
    "0.0.0.0",  # noqa: S104 -- an address to refuse, nobody listens on it
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.0.0.2",
    "127.127.127.127",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
)

IPV6_INNER = (
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "::0001",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "3ffe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00::2",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "::127.0.0.1",
    "::FFFF:127.0.0.1",
    "fe80::1%eth0",
    "fe80::1%25eth0",
    "fe80::1%251",
    "::1%25lo",
    "::1%lo",
    "::1%00",
    "v1.127.0.0.1",
    "127.0.0.1",
    "localhost",
    "",
    ":",
    ":::1",
    "1::2::3",
    "::g",
)

INNER_NAMES = (
    "localhost",
    "LocalHost",
    "localhost.localdomain.local",
    "a.localhost",
    "ip6-localhost",
    "ip6-loopback",
    "db",
    "postgres",
    "metadata",
    "instance-data",
    "metadata.google.internal",
    "METADATA.GOOGLE.INTERNAL",
    "metadata.azure.internal",
    "instance-data.ec2.internal",
    "kubernetes.default.svc.cluster.local",
    "host.docker.internal",
    "gateway.docker.internal",
    "printer.local",
    "router.home.arpa",
)

# Nothing is wrong with these as text; only their addresses tell.
ORDINARY_NAMES = (
    "metadata.goog",
    "kubernetes.default.svc",
    "127.0.0.1.nip.io",
    "10-0-0-1.sslip.io",
    "localtest.me",
    "lvh.me",
    "www.0x7f000001.example.com",
    "xn--bcher-kva.example",
    "a.b.c.d.e.f.g.h.example",
    "amounts.test",
    "router.lan",
    "nas.home",
    "intranet.corp",
    f"{'a' * 63}.example.com",
)

ODD_HOSTS = (
    # Other dots, other digits, other alphabets, letters that vanish.
    "127\u30020\u30020\u30021",
    "127\uff0e0\uff0e0\uff0e1",
    "127\uff610\uff610\uff611",
    "localhost\u3002",
    "\uff11\uff12\uff17.0.0.1",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
    "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    "local\u00adhost",
    "local\u200bhost",
    "local\u2060host",
    "loc\u0430lhost",
    "b\u00fccher.example",
    "\ufb00.example",
    "example.com\u2025",
    "example.com\u2100.evil.example",
    # Somebody else's name before an @.
    "user@127.0.0.1",
    "user:password@127.0.0.1",
    "example.com@127.0.0.1",
    "example.com:443@127.0.0.1",
    "example.com%40127.0.0.1",
    "@127.0.0.1",
    ":@127.0.0.1",
    "127.0.0.1@example.com",
    "a@b@example.com",
    "user@example.com",
    # Escapes in a name.
    "%6c%6f%63%61%6c%68%6f%73%74",
    "127%2e0%2e0%2e1",
    "127.0.0.1%00.example.com",
    "127.0.0.1%0a.example.com",
    "example.com%2f@127.0.0.1",
    "%5b::1%5d",
    "example%2ecom",
    # Backslashes.
    "127.0.0.1\\.example.com",
    "example.com\\@127.0.0.1",
    "127.0.0.1\\@example.com",
    "\\127.0.0.1",
    "example.com\\",
    # What some readers drop.
    "127.0.0.1\t",
    "\t127.0.0.1",
    "127.\t0.0.1",
    "127.0.0.1\r\n",
    "127.0.0.1\n.example.com",
    "example.com\r\nHost: 127.0.0.1",
    "example.com\x00",
    "127.0.0.1\x00.example.com",
    " 127.0.0.1",
    "127.0.0.1 ",
    "example.com \t",
    "exa mple.com",
    "example.com\x0b",
    "example.com\x7f",
    "example.com\x85",
    "example.com\u00a0",
    "example.com\u2028",
    # Names that are none.
    "",
    ".",
    "..",
    "example..com",
    ".example.com",
    "example.com.",
    "example.com..",
    "localhost.",
    "localhost..",
    "-example.com",
    "example-.com",
    "exa_mple.com",
    "*.example.com",
    "example.com,127.0.0.1",
    "example.com;127.0.0.1",
    "example.com&127.0.0.1",
    "example.com|127.0.0.1",
    "(example.com)",
    "<example.com>",
    '"example.com"',
    "'example.com'",
    "`example.com`",
    "{example.com}",
    "${HOST}",
    "example.com!",
    "example.com=",
    "example.com~",
    "example.com^",
    "example.com+",
    "example.com$",
    f"{'a' * 64}.example.com",
    f"{'a.' * 127}example.com",
    # Names that end in a number are addresses to some readers.
    "127.0.0.1.",
    "127.0.0.1..",
    "example.1",
    "example.0x1",
    "example.0x",
    "1",
    "256.256.256.256",
    "1.2.3.4.5",
    "999999999999",
    "0x",
    "08",
    # Brackets.
    "[",
    "]",
    "[]",
    "[::1",
    "::1]",
    "::1",
    "[::1]]",
    "[[::1]]",
    "[::1].example.com",
    "[::1]example.com",
    "example.com[::1]",
    "[::1",
    "example.com]",
    "fe80::1%25lo",
    "2606:4700::1111",
)

ODD_URLS = (
    "",
    " ",
    "example.com",
    "example.com/amount",
    "//example.com/amount",
    "/amount",
    "https:example.com",
    "https:/example.com",
    "https:///example.com",
    "https:////example.com",
    "https:\\\\example.com",
    "https:/\\example.com",
    "https://",
    "https:///",
    "https://?",
    "https://#",
    "https://:443",
    "https://:443/amount",
    " https://example.com",
    "https://example.com ",
    "\thttps://example.com",
    "ht\ntps://example.com",
    "https\x00://example.com",
    "https ://example.com",
    "https: //example.com",
    "url:https://example.com",
    "view-source:https://example.com",
    "https://example.com#fragment",
    "https://example.com/#",
    "https://example.com#@127.0.0.1",
    "https://127.0.0.1#@example.com",
    "https://example.com/a b",
    "https://example.com/a\tb",
    "https://example.com/a\r\nX: y",
    "https://example.com/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "https://example.com/\x00",
    "https://example.com/\u00fc",
    "https://example.com/%",
    "https://example.com/%0",
    "https://example.com/%zz",
    "https://example.com/a\\b",
    "https://example.com/<script>",
    'https://example.com/"',
    "https://example.com/{id}",
    "https://example.com/^",
    "https://example.com/`",
    "https://example.com/|",
    "https://example.com/[1]",
    "https://example.com?\\",
    "https://example.com:0",
    "https://example.com:00443",
    "https://example.com:0443",
    "https://example.com:65536",
    "https://example.com:99999999999999999999",
    "https://example.com:-443",
    "https://example.com:+443",
    "https://example.com:4 43",
    "https://example.com:443a",
    "https://example.com:0x1bb",
    "https://example.com:",
    "https://example.com:/amount",
    "https://example.com::443",
    "https://example.com:443:443",
    "https://example.com:\uff14\uff14\uff13",
    "https://example.com:80",
    "https://example.com:5432",
    "https://example.com:8443",
    "https://example.com:22",
    "https://example.com:443@127.0.0.1:5432",
    "http://example.com",
    "HTTP://example.com",
    "http://example.com:443",
    "http://127.0.0.1",
    "ftp://example.com",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "gopher://example.com/_POST",
    "dict://example.com/",
    "ldap://example.com/",
    "ws://example.com",
    "wss://example.com",
    "unix:///var/run/postgresql/.s.PGSQL.5432",
    "http+unix://%2fvar%2frun%2fdocker.sock/info",
    "https+unix://%2fvar%2frun%2fdocker.sock/info",
    "postgresql://example.com",
    "javascript://example.com/%0aalert(1)",
    "data:text/plain,https://example.com",
    "httpss://example.com",
    "https.://example.com",
    "https+x://example.com",
    f"https://example.com/{'a' * 2000}",
    f"https://{'a' * 2000}.example",
)

FINE = {
    "https://example.com": ("example.com", 443, "/"),
    "https://example.com/": ("example.com", 443, "/"),
    "HTTPS://Example.COM/Amount": ("example.com", 443, "/Amount"),
    "https://example.com:443/amount": ("example.com", 443, "/amount"),
    "https://example.com?rule=1": ("example.com", 443, "/?rule=1"),
    "https://a-b.example.com/x/../y?z=%20&q=a/b?c": ("a-b.example.com", 443, "/x/../y?z=%20&q=a/b?c"),
    "https://xn--bcher-kva.example/": ("xn--bcher-kva.example", 443, "/"),
    "https://example.com/@127.0.0.1": ("example.com", 443, "/@127.0.0.1"),
    "https://example.com//127.0.0.1": ("example.com", 443, "//127.0.0.1"),
    "https://1.example.com/": ("1.example.com", 443, "/"),
    "https://123abc.com/": ("123abc.com", 443, "/"),
}


def odd_hosts() -> Iterator[str]:
    """Give every spelling of a host that no rule may name."""
    for text in INNER:
        yield from _ipv4_spellings(IPv4Address(text))
        yield from (f"[{spelling}]" for spelling in _ipv6_carriers(IPv4Address(text)))
    yield from (f"[{text}]" for text in IPV6_INNER)
    yield from ODD_HOSTS


def _ipv4_spellings(address: IPv4Address) -> Iterator[str]:
    number, (a, b, c, d) = int(address), address.packed
    yield str(address)
    yield str(number)
    yield f"0x{number:x}"
    yield f"0X{number:08X}"
    yield f"0{number:o}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"
    yield f"{a:03}.{b:03}.{c:03}.{d:03}"
    yield f"{a}.{number & 0xFFFFFF}"
    yield f"{a}.{b}.{number & 0xFFFF}"
    yield f"0x{a:x}.{b}.0{c:o}.{d}"
    yield f"{address}."


def _ipv6_carriers(address: IPv4Address) -> Iterator[str]:
    """Write an IPv4 address in all the forms of IPv6 that some gateway turns back into it."""
    number = int(address)
    high, low = number >> 16, number & 0xFFFF
    carriers = (
        (0xFFFF << 32) | number,  # mapped
        number,  # compatible
        (0xFFFF << 48) | number,  # translated (SIIT)
        (0x64FF9B << 96) | number,  # NAT64
        (0x64FF9B0001 << 80) | number,  # NAT64 for local use
        (0x2002 << 112) | (number << 80) | 1,  # 6to4
        (0x20010000 << 96) | (number ^ 0xFFFFFFFF),  # Teredo: the client's address, inverted
        (0x20010000 << 96) | (number << 64),  # Teredo: the server's address
        (0xFE80 << 112) | (0x5EFE << 32) | number,  # ISATAP
    )
    yield from (str(IPv6Address(carrier)) for carrier in carriers)
    yield f"::ffff:{address}"
    yield f"0:0:0:0:0:ffff:{high:x}:{low:x}"
