"""Make the database of a release, on SQLite and on PostgreSQL: see the package."""

import argparse
import tempfile
from pathlib import Path

from tests.servers import servers
from tests.upgrades.snapshots import ROOT, make


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrades", description=__doc__)
    parser.add_argument("name", help="of the release")
    parser.add_argument("--code", type=Path, default=ROOT, help="a checkout of the release (default: this one)")
    options = parser.parse_args()
    code = options.code.resolve()
    with tempfile.TemporaryDirectory(prefix="batchyard-upgrades-") as embedded:
        make(options.name, code=code, data=Path(embedded), servers={})
    with tempfile.TemporaryDirectory(prefix="batchyard-upgrades-") as data, servers() as urls:
        named = {name.removeprefix("TEST_"): url for name, url in urls.items()}
        folder = make(options.name, code=code, data=Path(data), servers=named)
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:8,} bytes  {path}")


if __name__ == "__main__":
    main()
