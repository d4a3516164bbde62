#!/usr/bin/env python3
"""The pictures of the README, from a report of any store: screenshots.py PROGRAM STORE DIRECTORY.

Writes report-light.png, report-dark.png, report-words.png and report-phone.png, of 256 colours where Pillow is installed.
Debian: chromium-driver, python3-selenium, python3-pil; fonts-inter for the look of a desktop.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import browser

# Name: width and height of the window, dark, the element at its top.
VIEWS = {"light": (1280, 800, False, None), "dark": (1280, 800, True, None), "words": (1280, 900, False, "candidates"),
         "samples": (1280, 900, False, "labels"), "phone": (390, 844, False, None)}


def quantise(path):
    try:
        from PIL import Image
    except ImportError:
        return
    Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def main(program, store, directory):
    driver = browser.start()
    with tempfile.TemporaryDirectory() as work:
        report = Path(work) / "report.html"
        subprocess.run([program, "report", store, "-o", str(report)], check=True)
        for name, (width, height, dark, top) in VIEWS.items():
            browser.set_view(driver, width, height, dark)
            browser.load(driver, report)
            driver.execute_async_script(
                "const done = arguments[1];"
                "document.documentElement.style.scrollBehavior = 'auto';"
                "if (arguments[0]) document.getElementById(arguments[0]).scrollIntoView();"
                "requestAnimationFrame(() => requestAnimationFrame(() => done()))", top)
            path = Path(directory) / f"report-{name}.png"
            browser.screenshot(driver, path)
            quantise(path)
            print(f"{path}: {path.stat().st_size} bytes")
    driver.quit()


if __name__ == "__main__":
    main(*sys.argv[1:])
