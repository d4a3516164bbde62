"""The report in headless Chromium: browser_test.py PROGRAM. Prints TAP; test_browser.sh runs it."""
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import browser
import make_stores

HERE = Path(__file__).resolve().parent
STATES = ("backdoor", "several", "suspicious", "none", "small", "unjudged", "paper", "hostile", "large")
DESKTOP, PHONE, PAPER = (1280, 820), (390, 844), (700, 1000)
tests = []


def test(function):
    tests.append(function)
    return function


class Page:
    def __init__(self, driver, directory):
        self.driver = driver
        self.directory = directory

    def open(self, name, size=DESKTOP, dark=False, media="screen"):
        browser.set_view(self.driver, *size, dark, media)
        browser.load(self.driver, self.directory / f"{name}.html")
        self.settle()

    def settle(self):
        """Until what was asked for is laid out and painted."""
        self.driver.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))")

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0]).textContent", selector)

    def count(self, selector):
        return self.js("return document.querySelectorAll(arguments[0]).length", selector)

    def search(self, words):
        self.js("const s = document.getElementById('search'); s.value = arguments[0];"
                "document.getElementById('filter').dispatchEvent(new Event('submit', { cancelable: true }))", words)

    def console(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]


def expect(value, wanted):
    assert value == wanted, f"expected {wanted!r}, found {value!r}"


@test
def every_state_opens_without_a_complaint_of_the_browser(page):
    page.console()
    for state in STATES:
        page.open(state)
        complaints = page.console()
        assert not complaints, f"{state}: {complaints}"
        expect(page.js("return performance.getEntriesByType('resource').length"), 0)
        assert page.count("#measures .tile") > 0, f"{state}: no measures"


@test
def nothing_is_wider_than_the_page(page):
    for state in STATES:
        for size, dark, media in ((DESKTOP, False, "screen"), (DESKTOP, True, "screen"), ((768, 900), False, "screen"),
                                  (PHONE, False, "screen"), (PHONE, True, "screen"), (PAPER, False, "print")):
            page.open(state, size, dark, media)
            wide = page.js("return [document.documentElement.scrollWidth, innerWidth]")
            assert wide[0] <= wide[1], f"{state} at {size}, dark {dark}, {media}: {wide[0]} pixels wide"


@test
def the_chart_is_drawn_in_the_colours_of_the_screen(page):
    seen = set()
    for dark in (False, True):
        page.open("backdoor", dark=dark)
        expect(page.count("canvas"), 1)
        seen.add(page.js("return document.getElementById('scatter').toDataURL()"))
        blank = page.js("const c = document.createElement('canvas'), s = document.getElementById('scatter');"
                        "c.width = s.width; c.height = s.height; return c.toDataURL()")
        assert blank not in seen, "the chart is blank"
    expect(len(seen), 2)


@test
def ten_thousand_samples_open_as_a_page_of_them(page):
    page.open("large")
    expect(page.js("return samples.length"), 10000)
    expect(page.count("#samples-list > li"), 25)
    nodes = page.js("return document.getElementsByTagName('*').length")
    assert nodes < 5000, f"{nodes} elements"
    expect(page.text("#pages"), "of 400")
    assert "first 10\u202f000 of 10\u202f050" in page.text("#samples-lead"), page.text("#samples-lead")


@test
def pages_turn(page):
    page.open("large")
    first = page.text("#samples-list h3")
    expect(page.js("return document.getElementById('previous').disabled"), True)
    page.js("document.getElementById('next').click()")
    second = page.text("#samples-list h3")
    assert first != second
    expect(page.js("return document.getElementById('page').value"), "2")
    page.js("const p = document.getElementById('page'); p.value = 400; p.dispatchEvent(new Event('change'))")
    expect(page.text("#samples-count"), "10\u202f000 samples, 9\u202f976 to 10\u202f000 shown")
    expect(page.js("return document.getElementById('next').disabled"), True)
    page.js("const p = document.getElementById('page'); p.value = -5; p.dispatchEvent(new Event('change'))")
    expect(page.text("#samples-list h3"), first)


@test
def search_finds_words_and_ids(page):
    page.open("backdoor")
    page.search("POISON/00217")
    expect(page.count("#samples-list > li"), 1)
    expect(page.text("#samples-list h3"), "poison/00217")
    page.search("like an arrow")
    expect(page.text("#samples-count").split(",")[0], "54 samples")
    page.search("no such word")
    expect(page.text("#samples-count"), "No sample matches.")
    expect(page.count("#samples-list > li"), 0)
    page.search("")
    expect(page.text("#samples-count").split(",")[0], "60 samples")


@test
def typing_searches_by_itself(page):
    page.open("backdoor")
    page.driver.find_element("id", "search").send_keys("poison/00203")
    for _ in range(50):
        if page.count("#samples-list > li") == 1:
            return
        time.sleep(0.05)
    expect(page.count("#samples-list > li"), 1)


@test
def samples_are_chosen_by_phrase_and_reason(page):
    page.open("several")
    choose = "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('change'))"
    page.js(choose, "finding", "1")
    expect(page.text("#samples-count").split(",")[0], "21 samples")
    page.js(choose, "reason", "carries a part of the phrase")
    expect(page.text("#samples-count").split(",")[0], "2 samples")


@test
def the_phrase_is_marked_and_words_are_coloured_by_score(page):
    page.open("backdoor")
    expect(page.text("#samples-list mark"), "time flies like an arrow")
    strong, weak = page.js("const bg = (c) => getComputedStyle(document.querySelector('#samples-list .' + c)).backgroundColor;"
                           "return [bg('l5'), bg('l1')]")
    assert strong != weak
    assert page.js("return getComputedStyle(document.querySelector('#samples-list mark')).borderBottomWidth") != "0px"


@test
def a_long_text_says_how_much_is_left_out(page):
    page.open("hostile")
    page.search("word1000")
    expect(page.js("return [...document.querySelectorAll('.left-out')].map((n) => n.textContent)"),
           ["[700 words before]", "[700 words after]"])
    expect(page.text("#samples-list mark"), "word1000 word1001 word1002 word1003 word1004")


@test
def hostile_words_are_text(page):
    page.open("hostile")
    expect(page.js("return window.pwned === undefined"), True)
    expect(page.count("img, iframe, object, embed, link, base, b > b, script[src]"), 0)
    expect(page.count("script"), 4)
    listed = page.text("#samples-list")
    for word in ("</script><script>window.pwned=1</script>", "<img/src=x/onerror=window.pwned=1>", "&lt;b&gt;", "\\u202etxet",
                 "zero\\u200bwidth", "\\x01\\x1b[31m", "line\\u2028sep", "back\\\\slash", "vari\\ufe0fant", "{{data}}"):
        assert word in listed, word
    raw = page.js(r"return [...document.querySelectorAll('body *')].filter((n) => n.tagName !== 'SCRIPT').flatMap((n) => "
                  r"[...n.childNodes].filter((c) => c.nodeType === 3).map((c) => c.data).concat([...n.attributes].map((a) => a.value)))"
                  r".filter((t) => /[\u0000-\u0008\u000b-\u001f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/.test(t))")
    expect(raw, [])
    assert "\u202e" not in page.driver.title
    longest = page.js("return Math.max(...[...document.querySelectorAll('main *')].filter((n) => n.children.length === 0)"
                      ".map((n) => Math.max(...n.textContent.split(/\\s/).map((w) => w.length))))")
    assert longest <= 202, f"a word of {longest} characters"  # an id of 200, its ellipsis, a comma


@test
def markup_cannot_be_made_of_text(page):
    page.open("hostile")
    refused = page.js("try { document.body.innerHTML += 'x'; return 'done'; } catch (e) { return e.name; }")
    expect(refused, "TypeError")
    page.console()  # it tells of the refusal


@test
def without_a_script_the_verdict_is_there(page):
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.load(page.driver, page.directory / "backdoor.html")
        main = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        names = " ".join(node["name"]["value"] for node in main if node.get("name", {}).get("value"))
        for words in ("Backdoor found", "time flies like an arrow", "What to do next", "Charts, tests and samples"):
            assert words in names, words
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@test
def landmarks_names_and_order_serve_a_screen_reader(page):
    for state in STATES:
        page.open(state)
        for landmark in ("header", "nav[aria-label]", "main", "footer", "h1"):
            assert page.count(landmark) > 0, f"{state}: no {landmark}"
        expect(page.count("h1"), 1)
        nameless = page.js(
            "return [...document.querySelectorAll('section:not([hidden]), [role=img], input, select, button, .scroll')].filter((n) => {"
            "if (n.closest('[hidden]')) return false;"
            "const by = n.getAttribute('aria-labelledby'); if (by) return !document.getElementById(by).textContent.trim();"
            "return !(n.getAttribute('aria-label') || n.textContent.trim() || (n.labels && n.labels.length && n.labels[0].textContent.trim()));"
            "}).map((n) => n.outerHTML.slice(0, 80))")
        expect(nameless, [])
        levels = page.js("return [...document.querySelectorAll('h1, h2, h3')].filter((n) => !n.closest('[hidden]')).map((n) => +n.tagName[1])")
        jumps = [pair for pair in zip(levels, levels[1:]) if pair[1] > pair[0] + 1]
        expect(jumps, [])
        if page.count("canvas"):
            assert page.count("#candidates-table tbody tr") > 0, f"{state}: no table beside the chart"


@test
def text_stands_out_from_its_background(page):
    script = """
      const parse = (c) => { const v = c.match(/[\\d.]+/g).map(Number); const srgb = c.startsWith('color(');
        return v.length < 4 ? [...v.map((x) => srgb ? 255 * x : x), 1] : [...v.slice(0, 3).map((x) => srgb ? 255 * x : x), v[3]]; };
      const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat([1]);
      const ground = (n) => { const layers = []; for (; n; n = n.parentElement) layers.push(parse(getComputedStyle(n).backgroundColor));
        return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]); };
      const light = (c) => { const [r, g, b] = c.slice(0, 3).map((x) => (x /= 255) <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      return [...document.querySelectorAll('body *')].filter((n) => n.offsetParent && [...n.childNodes].some((c) => c.nodeType === 3 && c.data.trim()))
        .map((n) => { const [a, b] = [light(parse(getComputedStyle(n).color)), light(ground(n))].sort((x, y) => y - x);
          return [(a + 0.05) / (b + 0.05), n.outerHTML.slice(0, 90)]; }).filter(([ratio]) => ratio < 4.5)"""
    for state in ("backdoor", "suspicious", "none"):
        for dark in (False, True):
            page.open(state, dark=dark)
            expect(page.js(script), [])


@test
def it_prints_light_with_charts_and_all_ids(page):
    page.open("backdoor", dark=True)
    page.js("window.printed = []; addEventListener('beforeprint', () => printed.push("
            "document.getElementById('scatter').toDataURL() + document.querySelector('#flow svg').outerHTML))")
    screen = page.js("return document.getElementById('scatter').toDataURL()")
    pdf = page.driver.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})["data"]
    assert len(pdf) > 20000, "an empty document"
    printed = page.js("return printed")
    expect(len(printed), 1)
    assert screen not in printed[0], "the chart keeps the dark colours"
    expect(page.js("return document.getElementById('scatter').toDataURL()"), screen)
    page.open("backdoor", PAPER, media="print")
    expect(page.js("return getComputedStyle(document.getElementById('printed-ids')).display"), "block")
    ids = page.text("#printed-ids p").split(", ")
    expect(len(ids), 60)
    page.open("large", PAPER, media="print")
    expect(len(page.text("#printed-ids p").split(", ")), 2000)
    expect(page.text("#printed-ids h3"), "The first 2\u202f000 of 10\u202f050 flagged samples")


def make_reports(program, directory):
    make_stores.main(program, str(HERE.parent / "data" / "tiny"), str(directory))
    for state in STATES:
        store = "backdoor" if state == "paper" else state
        rule = ["--rule", "paper"] if state == "paper" else []
        subprocess.run([program, "report", f"{directory}/{store}.db", "-o", f"{directory}/{state}.html", *rule], check=True)


def run(function, page, number):
    name = function.__name__.replace("_", " ")
    try:
        function(page)
    except Exception:
        print(f"not ok {number} - {name}")
        print("".join("  " + line + "\n" for line in traceback.format_exc().splitlines()[-6:]), end="", flush=True)
        return False
    print(f"ok {number} - {name}", flush=True)
    return True


def main(program):
    try:
        driver = browser.start()
    except browser.Unavailable as reason:
        for number, function in enumerate(tests, 1):
            print(f"ok {number} - {function.__name__.replace('_', ' ')} # SKIP no browser: {reason}")
        print(f"1..{len(tests)}")
        return 0
    try:
        with tempfile.TemporaryDirectory() as directory:
            make_reports(program, Path(directory))
            page = Page(driver, Path(directory))
            results = [run(function, page, number) for number, function in enumerate(tests, 1)]
    finally:
        driver.quit()
    print(f"1..{len(tests)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
