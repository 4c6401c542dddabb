"""Runs the command `fovea` of the npm package @fovea/kernel: `python -m fovea_kernel ARGUMENTS`.

The kernelspec in the wheel starts the kernel so: Jupyter knows this Python, but not where Node and the package are.
They are looked for on the PATH, in the node_modules of the current folder and of those above it, and among npm's
global packages. What is missing is named, with how to get it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST_NODE = (20, 9)
ENTRY = Path("@fovea", "kernel", "bin", "fovea.js")


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def find_node():
    """Path of Node; ends the program where there is none, or one that is too old."""
    node = shutil.which("node")
    wanted = f"Node {'.'.join(map(str, OLDEST_NODE))} or later"
    how = "from https://nodejs.org, or with `conda install -c conda-forge nodejs`"
    if node is None:
        sys.exit(f"fovea: the kernel needs {wanted}, and `node` is not on the PATH; install it {how}")
    version = output_of(node, "--version")
    if tuple(map(int, version.lstrip("v").split(".")[:2])) < OLDEST_NODE:
        sys.exit(f"fovea: the kernel needs {wanted}, and {node} is {version}; install it {how}")
    return node


def find_package():
    """The entry of @fovea/kernel: of the current folder or one above it, or else npm's global one."""
    here = Path.cwd()
    modules = [folder / "node_modules" for folder in (here, *here.parents)]
    npm = shutil.which("npm")
    if npm is not None:
        try:
            modules.append(Path(output_of(npm, "root", "--global")))
        except (OSError, subprocess.CalledProcessError):
            pass
    for folder in modules:
        if (folder / ENTRY).is_file():
            return folder / ENTRY
    sys.exit(
        "fovea: the npm package @fovea/kernel is not installed here; install it with "
        "`npm install --global --ignore-scripts @fovea/kernel`"
    )


def main():
    command = shutil.which("fovea")
    start = [command] if command else [find_node(), str(find_package())]
    start += sys.argv[1:]
    if os.name == "posix":
        # In this process's place: signals and the end of the kernel are Jupyter's to see.
        os.execv(start[0], start)
    sys.exit(subprocess.call(start))


if __name__ == "__main__":
    main()
