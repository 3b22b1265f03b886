#!/usr/bin/python3
"""Looks at AutoGit's page in a real Chromium: page.py [options] URL...

Opens each URL at 1280 and 390 px, light and dark, takes a screenshot of each, and checks that

- nothing is in the console, and nothing is requested from elsewhere;
- nothing is wider than the screen;
- text has a contrast of at least 4.5:1 (3:1 when it is large), as WCAG 2.1 AA asks;
- no injected script ran (it would have set window.injected);
- without JavaScript the page has the same headings;
- with --change COMMAND, a change comes onto the page by itself, and scrolling, focus and open details stay.

Needs Debian's chromium, chromium-driver and python3-selenium. Exit status 1 when a check fails; the figures are written as JSON.
"""
import argparse
import base64
import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

SIZES = {1280: (1280, 900, 1, False), 390: (390, 844, 2, True)}

CONTRAST = """
const parse = (text) => { const m = text.match(/[\\d.]+/g); return m ? m.map(Number) : [0, 0, 0, 0]; };
const alpha = (c) => c.length > 3 ? c[3] : 1;
const over = (top, under) => { const a = alpha(top); return [0, 1, 2].map((i) => top[i] * a + under[i] * (1 - a)); };
const light = (c) => { const l = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2]; };
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((m, n) => n - m); return (x + 0.05) / (y + 0.05); };
const root = getComputedStyle(document.documentElement).colorScheme && matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
const bad = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let count = 0, least = 99;
while (walker.nextNode()) {
  const node = walker.currentNode, element = node.parentElement;
  if (!node.nodeValue.trim() || ['SCRIPT', 'STYLE', 'title', 'desc'].includes(element.tagName)) continue;
  const range = document.createRange(); range.selectNodeContents(node);
  const box = range.getBoundingClientRect(), own = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  if (box.width < 1 || own.width <= 1 || style.visibility !== 'visible') continue;
  if (element.closest('.unseen, .skip, thead') && own.width <= 1) continue;
  const layers = []; let opacity = 1;
  for (let up = element; up; up = up.parentElement) { const s = getComputedStyle(up); layers.push(parse(s.backgroundColor)); opacity *= Number(s.opacity); }
  let ground = root; for (const layer of layers.reverse()) ground = over(layer, ground);
  const ink = parse(element instanceof SVGElement ? style.fill : style.color);
  const shown = over([...ink.slice(0, 3), alpha(ink) * opacity], ground);
  const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const value = ratio(shown, ground); count++; least = Math.min(least, value);
  if (value < (large ? 3 : 4.5)) bad.push(value.toFixed(2) + ' ' + style.color + ' on ' + ground.map(Math.round) + ': ' + node.nodeValue.trim().slice(0, 60));
}
return {count, least, bad};
"""

OVERFLOW = """
const wide = document.documentElement.clientWidth, body = document.body;
const clipped = (e) => { for (; e; e = e.parentElement) if (getComputedStyle(e).clipPath !== 'none') return true; return false; };
const out = [...document.querySelectorAll('body *')].filter((e) => !e.closest('.scroll, svg, .skip') && !clipped(e) && e.getBoundingClientRect().right > wide + 0.5)
  .map((e) => e.tagName + '.' + e.className + ' ' + Math.round(e.getBoundingClientRect().right));
return {page: document.documentElement.scrollWidth, body: body.scrollWidth, wide, out: out.slice(0, 8)};
"""

# Everything that changes in the page but ages and countdowns.
WATCH = """
window.changedAt = null;
new MutationObserver((all) => {
  if (window.changedAt) return;
  const real = all.some((m) => !(m.target.nodeType === 1 ? m.target : m.target.parentElement)?.closest('time, #live, #as-of')
    && !(m.type === 'attributes' && ['data-now', 'title', 'datetime'].includes(m.attributeName)));
  if (real) window.changedAt = Date.now();
}).observe(document.querySelector('main'), {subtree: true, childList: true, characterData: true, attributes: true});
"""


class Browser:
    def __init__(self):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--disable-gpu", "--force-color-profile=srgb"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.cdp("Network.enable")

    def cdp(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def look(self, size, scheme):
        width, height, scale, mobile = SIZES[size]
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url):
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(url)

    def js(self, script):
        return self.driver.execute_script(script)

    def screenshot(self, path):
        size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}
        path.write_bytes(base64.b64decode(self.cdp("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]))

    def requests(self):
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                yield message["params"]["request"]["url"]

    def console(self):
        return [entry for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def check(browser, url, size, scheme, arguments, failures):
    where = f"{url} {size} px {scheme}"

    def expect(condition, text):
        if not condition:
            failures.append(f"{where}: {text}")

    browser.look(size, scheme)
    browser.open(url)
    time.sleep(arguments.settle)
    name = re.sub(r"[^A-Za-z0-9]+", "-", urllib.parse.urlsplit(url).path + "-" + urllib.parse.urlsplit(url).query).strip("-") or "overview"
    browser.screenshot(arguments.folder / f"{name}-{size}-{scheme}.png")

    origin = urllib.parse.urlsplit(url)[:2]
    elsewhere = [found for found in browser.requests() if not found.startswith("data:") and urllib.parse.urlsplit(found)[:2] != origin]
    expect(not elsewhere, f"requests to elsewhere: {elsewhere}")
    messages = [entry["message"] for entry in browser.console()]
    if arguments.no_events:
        # The browser itself says so; no script can keep it from that.
        messages = [message for message in messages if "/events" not in message]
    expect(not messages, f"the console has {messages}")
    expect(browser.js("return window.injected === undefined"), "an injected script ran")
    overflow = browser.js(OVERFLOW)
    expect(max(overflow["page"], overflow["body"]) <= overflow["wide"] and not overflow["out"], f"wider than the screen: {overflow}")
    contrast = browser.js(CONTRAST)
    expect(not contrast["bad"], f"too little contrast: {contrast['bad'][:8]}")
    paint = browser.js("return (performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime")
    expect(paint is not None and (not arguments.paint or paint <= arguments.paint), f"first paint after {paint} ms")
    return {"url": url, "size": size, "scheme": scheme, "texts": contrast["count"], "least_contrast": round(contrast["least"], 2), "first_paint_ms": paint}


def check_without_script(browser, url, failures):
    browser.look(1280, "light")
    browser.open(url)
    headings = "return [...document.querySelectorAll('h1, h2')].map((heading) => heading.innerText)"
    with_script = browser.js(headings)
    browser.cdp("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(url)
    without = browser.js(headings)
    browser.cdp("Emulation.setScriptExecutionDisabled", value=False)
    if with_script != without or not without:
        failures.append(f"{url}: without JavaScript it has {without} instead of {with_script}")


def check_change(browser, url, command, within, failures):
    browser.look(1280, "light")
    browser.open(url)
    deadline = time.time() + 300
    while browser.js("return document.getElementById('live').dataset.state") != "live" and time.time() < deadline:
        time.sleep(0.05)
    # The refresh that follows the connection has nothing to do with the change.
    time.sleep(1.2)
    before = browser.js("""
        const details = [...document.querySelectorAll('main details')];
        details.forEach((each) => { each.open = !each.open; });
        const link = document.querySelector('#runners a, #pools button, main a'); link.focus({preventScroll: true});
        scrollTo(0, 240);
        return {details: details.map((each) => [each.id || each.parentElement.id, each.open]), focus: link.outerHTML, scroll: scrollY};""")
    time.sleep(0.1)
    browser.js(WATCH)
    started = time.time()
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)
    ended = time.time()
    changed = None
    while changed is None and time.time() < started + 300:
        changed = browser.js("return window.changedAt")
        time.sleep(0.02)
    if changed is None:
        failures.append(f"{url}: no change was shown")
        return None
    after = browser.js("""
        const byID = (pair) => [...document.querySelectorAll('main details')].find((each) => (each.id || each.parentElement.id) === pair[0]);
        return {kept: arguments[0].details.every((pair) => !byID(pair) || byID(pair).open === pair[1]), focus: document.activeElement.outerHTML, scroll: scrollY};
        """.replace("arguments[0]", json.dumps(before)))
    if not after["kept"] or after["focus"] != before["focus"] or abs(after["scroll"] - before["scroll"]) > 120:
        failures.append(f"{url}: the change moved the reader: {before} {after}")
    messages = browser.console()
    if messages:
        failures.append(f"{url}: the console has {messages} after a change")
    figures = {"from_start_ms": round(changed - started * 1000), "from_end_ms": round(changed - ended * 1000)}
    if within and figures["from_start_ms"] > within:
        failures.append(f"{url}: a change was shown after {figures}")
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="+")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("screenshots"), help="for screenshots")
    parser.add_argument("--change", metavar="COMMAND", help="makes something on the first URL change")
    parser.add_argument("--no-events", action="store_true", help="/events is not there, so the browser's own message about it is fine")
    parser.add_argument("--settle", type=float, default=0.7, metavar="SECONDS", help="before the screenshot")
    parser.add_argument("--paint", type=float, metavar="MS", help="the latest first paint; figures are only reported without")
    parser.add_argument("--within", type=float, metavar="MS", help="the latest change, from the start of its command")
    parser.add_argument("--sizes", default="1280,390")
    parser.add_argument("--schemes", default="light,dark")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    failures, looks, change = [], [], None
    browser = Browser()
    try:
        for url in arguments.url:
            for size in map(int, arguments.sizes.split(",")):
                for scheme in arguments.schemes.split(","):
                    looks.append(check(browser, url, size, scheme, arguments, failures))
            check_without_script(browser, url, failures)
        if arguments.change:
            change = check_change(browser, arguments.url[0], arguments.change, arguments.within, failures)
    finally:
        browser.driver.quit()
    json.dump({"looks": looks, "change": change, "failures": failures}, sys.stdout, indent=1)
    print()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
