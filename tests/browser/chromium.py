"""A headless Chromium, driven over its DevTools protocol through two pipes: no driver, no port, nothing to install.

https://chromedevtools.github.io/devtools-protocol/; messages are JSON, each ended by a NUL byte.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.patience import patient

DEADLINE = patient(20)
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-extensions", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
)


def _program() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")


def why_no_browser() -> str:
    """Why there is no browser here; empty if there is one."""
    return "" if _program() else "chromium is not installed"


class Browser:
    """The browser's end of the pipes; `events` has what it told unasked."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._number = 0
        self._rest = b""
        self._answers: dict[int, Mapping[str, Any]] = {}
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Ask for something, and wait for the answer. Raises RuntimeError if it is an error."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + DEADLINE
        while self._number not in self._answers:
            self._hear(deadline)
        answer = self._answers.pop(self._number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, method: str, session: str) -> None:
        """Wait until something was told."""
        deadline = time.monotonic() + DEADLINE
        while not any(
            event["method"] == method and event.get("sessionId") == session for event in self.events
        ):
            self._hear(deadline)

    def page(self, url: str, script: bool = True, **size: int) -> Page:
        """A new tab with this address, loaded. script: whether JavaScript is on."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        if not script:
            page.call("Emulation.setScriptExecutionDisabled", value=True)
        page.resize(**size)
        page.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired", session)
        return page

    def _hear(self, deadline: float) -> None:
        if not select.select([self._read], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise TimeoutError(f"chromium did not answer within {DEADLINE:.0f} s")
        read = os.read(self._read, 1 << 20)
        if not read:
            raise RuntimeError("chromium has ended")
        *messages, self._rest = (self._rest + read).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self.events.append(message)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the tab for something."""
        return self._browser.call(method, self._session, **parameters)

    def run(self, source: str) -> Any:
        """The value of a JavaScript expression. Raises RuntimeError when it throws."""
        answer = self.call("Runtime.evaluate", expression=source, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]["exception"].get("description")))
        return answer["result"].get("value")

    def resize(self, width: int = 1280, height: int = 900, mobile: bool = False) -> None:
        """Make the window this large, in pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def media(self, kind: str = "", **features: str) -> None:
        """Pretend to be another medium (`print`), or in another mood (`prefers_color_scheme="dark"`)."""
        wishes = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", media=kind, features=wishes)

    def press(self, key: str, times: int = 1) -> None:
        """Press a key: `Tab`, `ArrowRight`, `Enter`, or a character."""
        codes = {
            "Tab": 9,
            "Enter": 13,
            "Escape": 27,
            "ArrowLeft": 37,
            "ArrowRight": 39,
            "Home": 36,
            "End": 35,
        }
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        for _ in range(times):
            down = {
                "type": "keyDown" if text else "rawKeyDown",
                "key": key,
                **({"text": text} if text else {}),
            }
            self.call("Input.dispatchKeyEvent", windowsVirtualKeyCode=codes.get(key, 0), **down)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """`mouseMoved`, `mousePressed`, `mouseReleased` or `mouseWheel` at a place in the window."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def drag(self, x: float, y: float, to: float) -> None:
        """Draw the mouse sideways with its button held."""
        self.mouse("mousePressed", x, y, button="left", clickCount=1, buttons=1)
        for step in range(1, 5):
            self.mouse("mouseMoved", x + (to - x) * step / 4, y, button="left", buttons=1)
        self.mouse("mouseReleased", to, y, button="left", clickCount=1)

    def picture(self, part: Mapping[str, float] | None = None) -> bytes:
        """A PNG of what is in view, or of a part of the page: its x, y, width, height and scale."""
        wanted = {} if part is None else {"clip": dict(part), "captureBeyondViewport": True}
        return base64.b64decode(self.call("Page.captureScreenshot", **wanted)["data"])

    def pdf(self, path: Path, height: float = 11.69) -> None:
        """What a printer would get, on A4 or paper of another height, in inches."""
        answer = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=height)
        path.write_bytes(base64.b64decode(answer["data"]))

    def tree(self) -> list[dict[str, Any]]:
        """The accessibility tree: what a screen reader is told."""
        self.call("Accessibility.enable")
        nodes: list[dict[str, Any]] = self.call("Accessibility.getFullAXTree")["nodes"]
        return nodes

    def said(self, *methods: str) -> list[dict[str, Any]]:
        """The parameters of what the tab told unasked, by method."""
        self.run("1")
        return [
            event["params"]
            for event in self._browser.events
            if event.get("sessionId") == self._session and event["method"] in methods
        ]

    def complaints(self) -> list[str]:
        """What a person would see in the console: errors, warnings, anything logged."""
        logged = [
            f"{each['entry']['level']}: {each['entry']['text']}" for each in self.said("Log.entryAdded")
        ]
        thrown = [str(each["exceptionDetails"]) for each in self.said("Runtime.exceptionThrown")]
        return logged + thrown + [str(each["args"]) for each in self.said("Runtime.consoleAPICalled")]

    def requested(self) -> list[str]:
        """The addresses that the tab asked for."""
        return [each["request"]["url"] for each in self.said("Network.requestWillBeSent")]

    def close(self) -> None:
        """Close the tab."""
        self._browser.call("Target.closeTarget", targetId=self._target)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a profile of its own, which is removed at the end."""
    their_input, write = os.pipe()
    read, their_output = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # It wants its pipes as 3 and 4, whatever is there in this process.
        shell = f'exec "$@" 3<&{their_input} 4>&{their_output}'
        program = _program()
        assert program is not None
        command = ["bash", "-c", shell, "chromium", program, *_FLAGS, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            command,
            pass_fds=(their_input, their_output),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(their_input)
        os.close(their_output)
        browser = Browser(write, read)
        try:
            yield browser
        finally:
            try:
                browser.call("Browser.close")
                process.wait(DEADLINE)
            except (RuntimeError, OSError, TimeoutError, subprocess.TimeoutExpired):
                process.kill()
                process.wait()
            os.close(write)
            os.close(read)
