"""Pages of logs that nobody should send: each is read, or refused with a ValueError that repeats none of it."""

import random  # noqa: TID251  seeded

from watcher.connect.log_page import read
from watcher.connect.log_wire import Origin

SEEDS = (
    b'{"data":[],"next":""}',
    b'{"data":[{"type":"APPLICATION_TEXT","deploymentId":"d","applicationName":"service","severity":"DEFAULT","timestamp":"2026-11-24T10:15:30.123Z","details":{"message":"it \\ud83d\\ude00 broke"}}],"next":"abc+/="}',
    b'{"next":null,"data":[{"type":"HTTP_REQUEST","severity":"INFO","timestamp":"2026-11-24T10:15:30Z","details":{"requestMethod":"POST","requestUrl":"https://a.example/b?c=d","status":"502","latency":"0.123s"}}]}',
    b'{"data":[{"timestamp":"2026-11-24T10:15:30+02:00","type":"APPLICATION_JSON","details":{"level":50,"msg":"x","err":{"message":"y","stack":"Error: y\\n    at z"}}},{"timestamp":"2026-11-24T10:15:30.5","details":"text"}]}',
)
PIECES = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b",",
        b":",
        b"null",
        b"NaN",
        b"1e999",
        b"-0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\\ud83d",
    ),
    *(
        b'"data":[',
        b'"next":"',
        b'"details":',
        b'"timestamp":"',
        b"9" * 400,
        b"[" * 5000,
        b'{"a":' * 2000,
        b"\x00",
        b"\n",
    ),
    *(
        b'"message":{"a":1}',
        b'"latency":"nans"',
        b'"status":1e400',
        b"9999-12-31T23:59:59.999-23:59",
        b"0001-01-01T00:00:00Z",
    ),
)
ORIGIN = Origin("shop", "d", "service")


def mutated(chance: random.Random) -> bytes:
    """One of the seeds with a few things done to it."""
    body = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(0, 6)):
        at = chance.randrange(len(body) + 1)
        match chance.randrange(4):
            case 0:
                body[at : at + chance.randint(1, 40)] = b""
            case 1:
                body[at:at] = chance.choice(PIECES)
            case 2:
                body[at : at + 1] = bytes([chance.randrange(256)])
            case _:
                end = min(len(body), at + chance.randint(1, 120))
                body[at:at] = body[at:end]
    return bytes(body)


def run(inputs: int, seed: int) -> int:
    """Read that many pages; how many of them could be read."""
    chance = random.Random(seed)
    good = 0
    for _ in range(inputs):
        body = mutated(chance)
        try:
            page = read(body, ORIGIN)
        except ValueError:
            continue
        good += 1
        for each in page.records:
            assert each.at >= 0
            assert 0 <= each.key < 2**32
            each.message.encode()
    return good


if __name__ == "__main__":
    print(run(100_000, 1))
