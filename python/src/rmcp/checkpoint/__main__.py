"""`python -m rmcp.checkpoint FOLDER` prints the latest complete checkpoint; exits with 1 where there is none."""

import sys

from rmcp.checkpoint import find_latest


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m rmcp.checkpoint FOLDER", file=sys.stderr)
        return 2
    found = find_latest(sys.argv[1])
    if found is None:
        return 1
    print(found.path)
    return 0


sys.exit(main())
