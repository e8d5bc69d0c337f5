"""What a user-given URL may reach: hostile addresses and URLs as tables, judged without a single connection."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loopback import FakeDns
from watcher.core import egress
from watcher.http import Fault, Http, Request, TransportError

_PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 34.107.1.1 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
223.255.255.255 168.63.129.15 168.63.129.17 2606:4700::1111 2a00:1450:4001::200e 2400:cb00::1 2001:4860:4860::8888
2001:200::1 2003::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
"""
PUBLIC = _PUBLIC.split()

_HOSTILE = """
0.0.0.0 0.1.2.3 0.255.255.255 10.0.0.0 10.0.0.1 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255
127.0.0.0 127.0.0.1 127.1.2.3 127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.254 169.254.170.2 169.254.255.255
172.16.0.0 172.17.0.1 172.31.255.255 192.0.0.0 192.0.0.8 192.0.0.170 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.0
192.168.1.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 224.0.0.251 239.255.255.250
240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255
:: ::1 ::2 ::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:192.168.0.1 ::ffff:0.0.0.0 ::ffff:255.255.255.255 ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8 64:ff9b::127.0.0.1
64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b::100.100.100.200 64:ff9b:1::1 64:ff9b:1:ffff::8.8.8.8 100::1 100:0:0:1::1
2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:1ff::1 2001:db8::1 2001:db8:ffff::1
2002:7f00:1:: 2002:a00:1:: 2002:a9fe:a9fe:: 2002:808:808:: 3fff::1 3fff:fff::1 4000::1 5f00::1 8000::1 e000::1 f000::1
fc00::1 fd00::1 fd00:ec2::254 fdff:ffff::1 fe80::1 fe80::1%eth0 fe80::a9fe:a9fe febf::1 fec0::1 feff::1 ff00::1 ff02::1
ff05::2 ff0e::1 ::1%lo 2001:470:1:2::5efe:127.0.0.1 2001:470:1:2:0:5efe:169.254.169.254 2001:470:1:2:200:5efe:10.0.0.1
"""
HOSTILE = _HOSTILE.split()


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert egress.classify(ip_address(address)) is None
    assert egress.refusal(ip_address(address), (), tls=True) is None


@pytest.mark.parametrize("address", HOSTILE)
def test_everything_else_may_not(address: str) -> None:
    reason = egress.classify(ip_address(address))
    assert reason
    assert egress.refusal(ip_address(address), (), tls=True) == f"{ip_address(address)} is {reason}"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "a loopback address"),
        ("::1", "a loopback address"),
        ("::ffff:127.0.0.1", "a loopback address"),
        ("64:ff9b::10.0.0.1", "a private address"),
        ("169.254.169.254", "a link-local address"),
        ("fd00::1", "a private address"),
        ("255.255.255.255", "the broadcast address"),
        ("2001:db8::1", "a documentation address"),
        ("8000::1", "not a public address"),
        ("2001:470::200:5efe:1.2.3.4", "an ISATAP address"),
    ],
)
def test_a_person_is_told_what_kind_of_address_it_is(address: str, reason: str) -> None:
    assert egress.classify(ip_address(address)) == reason


@pytest.mark.parametrize(
    ("address", "allow", "reachable"),
    [
        ("10.1.2.3", ["10.1.0.0/16"], True),
        ("10.2.2.3", ["10.1.0.0/16"], False),
        ("::ffff:10.1.2.3", ["10.1.0.0/16"], True),
        ("::ffff:10.2.2.3", ["10.1.0.0/16"], False),
        ("64:ff9b::10.1.2.3", ["10.1.0.0/16"], True),
        ("::10.1.2.3", ["10.1.0.0/16"], False),
        ("2002:a01:203::1", ["10.1.0.0/16"], False),
        ("fd12::1", ["fd12::/16"], True),
        ("fd13::1", ["fd12::/16"], False),
        ("127.0.0.1", ["::1/128"], False),
        ("::1", ["127.0.0.0/8"], False),
        ("::1", ["127.0.0.0/8", "::1/128"], True),
        ("127.0.0.1", ["0.0.0.0/0"], True),
        ("fe80::1", ["0.0.0.0/0"], False),
        ("8.8.8.8", ["10.0.0.0/8"], True),
    ],
)
def test_the_operator_can_allow_networks(address: str, allow: list[str], reachable: bool) -> None:
    networks = [ip_network(each) for each in allow]
    assert (egress.classify(ip_address(address), networks) is None) is reachable


@pytest.mark.parametrize(
    ("address", "allow", "reachable"),
    [("8.8.8.8", [], False), ("8.8.8.8", ["8.8.8.0/24"], True), ("10.0.0.1", ["10.0.0.0/8"], True)],
)
def test_plain_http_reaches_only_what_is_allowed(address: str, allow: list[str], reachable: bool) -> None:
    refusal = egress.refusal(ip_address(address), [ip_network(each) for each in allow], tls=False)
    assert (refusal is None) is reachable
    assert reachable or "plain http" in str(refusal)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_however_it_is_dressed(address: object) -> None:
    bare = egress.classify(ip_address(str(address)))
    assert egress.classify(ip_address(f"::ffff:{address}")) == bare
    assert egress.classify(ip_address(f"64:ff9b::{address}")) == bare


@given(st.ip_addresses())
def test_what_the_standard_library_calls_private_is_never_reached(address: object) -> None:
    parsed = ip_address(str(address))
    if parsed.is_private or parsed.is_multicast or parsed.is_reserved or parsed.is_loopback or parsed.is_link_local:
        inner = parsed.version == 6 and (parsed in egress._MAPPED or parsed in egress._NAT64)
        assert inner or egress.classify(parsed)


@pytest.mark.parametrize(
    "host", ["example.com", "a.b-c.example", "under_score.example", "xn--zca.de", "v1.x", "1e2", "com."]
)
def test_names_are_names(host: str) -> None:
    assert egress.literal(host) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0", "::ffff:7f00:1"])
def test_addresses_are_addresses(host: str) -> None:
    assert egress.literal(host) == ip_address(host)


_NUMBERS = """
0 00 1 127.1 127.0.1 127.0.0.1. 2130706433 017700000001 0177.0.0.1 0x7f.1 0x7f000001 0x7f.0.0.1 0X7F.0.0.1 0x 1.2.3.4.5
256.256.256.256 999999999999 0xA9FEA9FE 2852039166 0251.0376.0251.0376 a.0x1 host.1 127.0.0.1.. 1.1.1 00000127.0.0.1
127.0.0.0x1 example.0x7f000001
"""
NUMBERS = _NUMBERS.split()
MALFORMED = [
    "",
    " ",
    "a b",
    "a%00b",
    "%31%32%37.0.0.1",
    "a/b",
    "a\\b",
    "a@b",
    "ex\u00e4mple",
    "\u212aelvin",
    "1::2::3",
    "[::1]",
    "a" * 255,
    "a\n",
]


@pytest.mark.parametrize("host", NUMBERS + MALFORMED)
def test_other_spellings_of_numbers_and_broken_hosts_are_neither(host: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        egress.literal(host)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("a.localhost", True),
        ("metadata.google.internal", True),
        ("metadata", True),
        ("instance-data.ec2.internal", True),
        ("example.com", False),
        ("localhost.example.com", False),
        ("notlocalhost", False),
    ],
)
def test_names_of_the_resolving_side(host: str, ours: bool) -> None:
    assert egress.names_this_side(host) is ours


URLS = [
    *(f"https://{each}/" for each in NUMBERS),
    *(f"http://{each}/" for each in NUMBERS),
    *(f"https://[{each.partition('%')[0]}]/hook" if ":" in each else f"https://{each}/hook" for each in HOSTILE),
    *(f"http://{each}:8080/" for each in PUBLIC if ":" not in each),
    "https://localhost/",
    "https://LOCALHOST./",
    "https://localhost\u3002/",
    "https://\u217cocalhost/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "https://127\u30020\u30020\u30021/",
    "https://127.0.0.1%00.evil.example/",
    "https://%31%32%37.0.0.1/",
    "https://[::1%25lo]/",
    "https://[fe80::1%eth0]/",
    "https://user:word@example.com/",
    "https://user@example.com/",
    "https://:word@example.com/",
    "https://a@b@127.0.0.1/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1:443\\@example.com/",
    "https://example.com#@127.0.0.1/",
    "https://127.0.0.1#@example.com/",
    "https://127.0.0.1?@example.com/",
    "https://ho st/",
    "https://host:99999/",
    "https://host:0/",
    "https://host:port/",
    "https:///x",
    "https:x",
    "https:\\\\127.0.0.1\\",
    "//127.0.0.1/",
    "127.0.0.1",
    "",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    "https://[::1/",
    "https://[127.0.0.1]/",
    "https://[1::2::3]/",
    "http://example.com/",
]


def test_the_table_of_urls_is_long_enough() -> None:
    assert len(set(URLS)) >= 200


async def test_no_hostile_url_passes_the_door() -> None:
    """Names resolve to loopback here, so that a URL which slips through the first check still has to be refused."""
    dns = FakeDns(names=_Loopback())
    async with Http(resolver=dns) as http:
        for url in URLS:
            with pytest.raises(TransportError) as caught:
                await http.send(Request(url=url, guard=True, deadline=5_000))
            assert caught.value.kind is Fault.BLOCKED, url
            assert not caught.value.sent


class _Loopback(dict[str, list[list[str]]]):
    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> list[list[str]]:
        return [["127.0.0.1"]]
