"""Runs a notebook through nbclient, as nbconvert and papermill do, and prints its outputs as JSON."""

import json
import os
import sys

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient


class FoveaManager(AsyncKernelManager):
    @property
    def kernel_spec(self):
        return KernelSpec(
            argv=[os.environ["FOVEA_TEST_NODE"], os.environ["FOVEA_TEST_ENTRY"], "kernel", "-f", "{connection_file}"],
            display_name="Fovea",
            language="typescript",
            interrupt_mode="message",
        )


cells = json.load(sys.stdin)
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
client = NotebookClient(notebook, kernel_manager_class=FoveaManager, allow_errors=True, timeout=120)
client.execute()
json.dump([cell.outputs for cell in notebook.cells], sys.stdout)
