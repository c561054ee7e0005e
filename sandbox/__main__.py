"""`python -m sandbox`: the pretend Google and Microsoft alone."""

import argparse

from sandbox.app import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 = any free one")
    parser.add_argument("--dns-port", type=int, default=0, help="0 = any free one")
    given = parser.parse_args()
    serve(given.host, given.port, given.dns_port)


if __name__ == "__main__":
    main()
