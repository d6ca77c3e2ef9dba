"""Print the N-th command line of the README: the lines of its ```sh blocks that begin with "pip install"."""

import re
import sys
from pathlib import Path

readme = Path(__file__).parents[1].joinpath("README.md").read_text()
blocks = re.findall(r"^```sh\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
lines = [line for block in blocks for line in block.splitlines() if line.startswith("pip install ")]
if len(lines) != 2:
    sys.exit(f"the README has {len(lines)} command lines that begin with 'pip install'; needed: 2")
print(lines[int(sys.argv[1]) - 1])
