"""The public conformance suite, jupyter_kernel_test, with samples in TypeScript. Nothing is left out."""

import os
import unittest

import jupyter_kernel_test
from jupyter_client.manager import KernelManager
from jupyter_client.kernelspec import KernelSpec

NODE = os.environ["FOVEA_TEST_NODE"]
ENTRY = os.environ["FOVEA_TEST_ENTRY"]


class FoveaManager(KernelManager):
    @property
    def kernel_spec(self):
        return KernelSpec(
            argv=[NODE, ENTRY, "kernel", "-f", "{connection_file}"],
            display_name="Fovea",
            language="typescript",
            interrupt_mode="message",
        )


class FoveaKernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = "fovea"
    language_name = "typescript"
    file_extension = ".ts"

    @classmethod
    def setUpClass(cls):
        # The suite finds kernels by their installed specs; this one is started from its files.
        cls.km = FoveaManager(kernel_name=cls.kernel_name)
        cls.km.start_kernel()
        cls.kc = cls.km.client()
        cls.kc.start_channels()
        cls.kc.wait_for_ready(timeout=30)

    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('test')"
    code_page_something = "?Math.sqrt"
    completion_samples = [
        {"text": "Math.sq", "matches": {"sqrt", "SQRT1_2", "SQRT2"}},
        {"text": "cons", "matches": {"console", "const"}},
    ]
    complete_code_samples = [
        "1",
        "const a: number = 1",
        "function f(x: number) { return x }",
        "for (const x of [1, 2]) { console.log(x) }",
    ]
    incomplete_code_samples = ["function f() {", "const t = `open", "[1, 2,", "if (true) {"]
    invalid_code_samples = ["const const = 1", ")", "let x = }"]
    code_generate_error = "throw new Error('expected')"
    code_execute_result = [
        {"code": "1+2", "result": "3"},
        {"code": "[1,2,3].length", "result": "3"},
    ]
    code_display_data = [
        {"code": "display(html('<b>bold</b>'))", "mime": "text/html"},
        {"code": "display(svg('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))", "mime": "image/svg+xml"},
    ]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "Math.sqrt"
    code_clear_output = "clearOutput()"


if __name__ == "__main__":
    unittest.main()
