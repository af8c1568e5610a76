"""How a server reads its configuration file: written from its C code, apart from the kit's own reading.

The code is `loadServerConfig`, `loadServerConfigFromString` and `sdssplitargs` of Redis 7.0. Used to look at
what the kit writes with other eyes; tests/integration/test_directives.py compares it with a real server.
"""

from __future__ import annotations

_SPACE = b" \t\n\v\f\r"
_SIMPLE = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}


class NotTaken(Exception):
    """The server would not start with this file."""


def lines_of(file: bytes) -> list[list[bytes]]:
    """The words of each line that says something, in order; the first one in lower case."""
    read = b"".join(part.partition(b"\0")[0] for part in _chunks(file))
    found = []
    for line in read.split(b"\n"):
        trimmed = line.strip(b" \t\r\n")
        if not trimmed or trimmed[:1] == b"#":
            continue
        words = split(trimmed)
        if words is None:
            raise NotTaken(f"unbalanced quotes: {trimmed!r}")
        if words:
            found.append([words[0].lower(), *words[1:]])
    return found


def _chunks(file: bytes) -> list[bytes]:
    """As `fgets` with 1,024 bytes hands them out: what follows a NUL in one of them is lost."""
    chunks = []
    while file:
        end = file.find(b"\n", 0, 1024) + 1 or 1024
        chunks.append(file[:end])
        file = file[end:]
    return chunks


def split(line: bytes) -> list[bytes] | None:
    """`sdssplitargs`: None where quotes are unbalanced or something follows a closing one."""
    p = 0
    words: list[bytes] = []
    line += b"\0"
    while True:
        while line[p] in _SPACE:
            p += 1
        if line[p] == 0:
            return words
        inq = insq = False
        current = bytearray()
        while True:
            c = line[p]
            if inq:
                if c == ord("\\") and line[p + 1] == ord("x") and _hex(line[p + 2 : p + 4]):
                    current.append(int(line[p + 2 : p + 4], 16))
                    p += 3
                elif c == ord("\\") and line[p + 1] != 0:
                    p += 1
                    current.append(_SIMPLE.get(line[p], line[p]))
                elif c == ord('"'):
                    if line[p + 1] != 0 and line[p + 1] not in _SPACE:
                        return None
                    p += 1
                    break
                elif c == 0:
                    return None
                else:
                    current.append(c)
            elif insq:
                if c == ord("\\") and line[p + 1] == ord("'"):
                    p += 1
                    current.append(ord("'"))
                elif c == ord("'"):
                    if line[p + 1] != 0 and line[p + 1] not in _SPACE:
                        return None
                    p += 1
                    break
                elif c == 0:
                    return None
                else:
                    current.append(c)
            elif c in b" \n\r\t" or c == 0:
                break
            elif c == ord('"'):
                inq = True
            elif c == ord("'"):
                insq = True
            else:
                current.append(c)
            p += 1
        words.append(bytes(current))


def _hex(two: bytes) -> bool:
    return len(two) == 2 and all(sign in b"0123456789abcdefABCDEF" for sign in two)
