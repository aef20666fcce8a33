"""The command line: `python -m tests.benchmarks COMMAND --help` says what a command measures."""

import argparse
import json
import signal
import sys
from pathlib import Path

from tests.benchmarks import (
    answers,
    delegate,
    executors,
    export,
    fairness,
    faults,
    finish,
    first_request,
    idle,
    inline,
    limits,
    memory,
    occupancy,
    prune,
    recover,
    scale,
    sign_in,
    soak,
    throughput,
    upload,
    validation,
    web,
)
from tests.benchmarks.inputs import WrongResult
from tests.servers import NoServer

COMMANDS = {
    "throughput": throughput,
    "delegate": delegate,
    "occupancy": occupancy,
    "executors": executors,
    "faults": faults,
    "finish": finish,
    "fairness": fairness,
    "limits": limits,
    "validate": validation,
    "export": export,
    "soak": soak,
    "scale": scale,
    "memory": memory,
    "answers": answers,
    "inline": inline,
    "upload": upload,
    "first-request": first_request,
    "idle": idle,
    "recover": recover,
    "prune": prune,
    "sign-in": sign_in,
    "web": web,
}


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure Batchyard as real processes.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        text = (module.__doc__ or "").partition(": ")[2]
        command = commands.add_parser(
            name, help=text.splitlines()[0], description=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.arguments(command)
        command.add_argument("--json", type=Path, metavar="PATH", help="write all figures there as well")
    options = parser.parse_args(words)
    figures = COMMANDS[options.command].main(options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))  # ends the servers and the portal on the way
    try:
        main(sys.argv[1:])
    except (NoServer, WrongResult) as reason:
        sys.exit(str(reason))
