"""Headless Chromium on a report: what the browser test and the screenshots share."""
import base64
import os
import pathlib

try:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
except ImportError as error:  # said by whoever skips
    webdriver = None
    WebDriverException = ImportError
    missing = str(error)


class Unavailable(Exception):
    """There is no browser here, or it does not start."""


def start():
    """A browser without a network, whose console is recorded. Raises Unavailable."""
    if webdriver is None:
        raise Unavailable(missing)
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND",
                     "--disable-background-networking", "--disable-component-update", "--no-first-run", "--force-device-scale-factor=1"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        return webdriver.Chrome(service=webdriver.chrome.service.Service("/usr/bin/chromedriver"), options=options)
    except (WebDriverException, OSError) as error:
        raise Unavailable(str(error).splitlines()[0]) from error


def set_view(driver, width, height, dark=False, media="screen"):
    """The size of the page in CSS pixels, and what it is shown on."""
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "media": media, "features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})


def load(driver, path):
    driver.get(pathlib.Path(path).resolve().as_uri())


def screenshot(driver, path, whole=False):
    """A PNG of what is in view, or of the whole page."""
    data = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})["data"]
    pathlib.Path(path).write_bytes(base64.b64decode(data))
