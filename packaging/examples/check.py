#!/usr/bin/env python3
"""Checks that the Grafana dashboard and the alert rules beside this file fit a real AutoGit and a real Prometheus.

  check.py --expressions                            prints the dashboard's expressions, one a line
  check.py --metrics FILE                           FILE is what /metrics answered, in either format
  check.py --prometheus http://localhost:9090       asks Prometheus each of them

Exits 1 and names what is wrong: with --metrics a name, label or label's value that FILE doesn't have; with --prometheus an expression of the
dashboard that is refused or has no series, or a rule that is refused.
"""
import argparse
import json
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
# Prometheus' own.
BUILT_IN = {"up"}
# Labels that Prometheus adds to what it scrapes.
OF_THE_SCRAPE = {"job", "instance"}
# What a name may end in, beyond its family's, by the family's type.
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count"), "counter": ("_total",), "info": ("_info",)}
# Words of PromQL that stand where a name could.
WORDS = {"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan"}
# Words of PromQL that a list of labels follows.
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}

STRING = r'"(?:[^"\\]|\\.)*"'
TOKEN = re.compile(rf'{STRING}|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9.][0-9a-zA-Z.]*|\S')
GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
MATCHER = re.compile(rf'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*({STRING})')


def panels_of(panels):
    for panel in panels:
        yield panel
        # Those of a row that is folded.
        yield from panels_of(panel.get("panels", []))


def substitute(expression, rate_interval, span, variables):
    """Puts in what Grafana would."""
    values = {"__rate_interval": rate_interval, "__interval": rate_interval, "__range": span} | dict.fromkeys(variables, ".*")

    def value(match):
        name = match[1] or match[2]
        if name not in values:
            sys.exit(f"check.py: ${name} in {expression!r} is not a variable of the dashboard")
        return values[name]

    return re.sub(r"\$(?:(\w+)|\{(\w+)(?::\w+)?\})", value, expression)


def dashboard_expressions(file, rate_interval, span):
    """Pairs of an expression and where it is from."""
    dashboard = json.loads(file.read_text())
    variables = dashboard["templating"]["list"]
    found = []
    for variable in variables:
        query = re.fullmatch(r"label_values\((.+),\s*(\w+)\)", variable.get("definition", ""))
        if query:
            found.append((f"count by ({query[2]}) ({query[1]})", f"variable {variable['name']}"))
        elif variable["type"] == "query":
            sys.exit(f"check.py: can't read the query of the variable {variable['name']}")
    for panel in panels_of(dashboard["panels"]):
        found += [(target["expr"], f"panel {panel['title']}") for target in panel.get("targets", [])]
    names = [variable["name"] for variable in variables]
    return [(substitute(" ".join(expression.split()), rate_interval, span, names), where) for expression, where in found]


def rule_expressions(file):
    """The same of the rules, whose YAML is written so that this finds them: each alert has an expr, on its line or as a block under it."""
    lines = file.read_text().splitlines()
    found, alert = [], None
    for number, line in enumerate(lines):
        if match := re.fullmatch(r"\s*- alert: (\w+)", line):
            alert = match[1]
        elif match := re.fullmatch(r"(\s*)expr: (.+)", line):
            text = match[2]
            if text == "|":
                block = []
                for inner in lines[number + 1 :]:
                    if inner.strip() and not inner.startswith(match[1] + " "):
                        break
                    block.append(inner)
                text = " ".join(block)
            found.append((" ".join(text.split()), f"rule {alert}"))
    if not found or len(found) != sum("- alert: " in line for line in lines):
        sys.exit(f"check.py: can't find the expressions in {file}")
    return found


def selectors(expression):
    """Pairs of a metric's name and its matchers, each of these a label, an operator and a value."""
    tokens = TOKEN.findall(expression)
    found, at = [], 0
    while at < len(tokens):
        token, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else ""
        at += 1
        if not re.match(r"[a-zA-Z_:]", token):
            if token == "{":
                sys.exit(f"check.py: a selector without a name in {expression!r}")
            continue
        if token in GROUPING:
            if following == "(":
                at = tokens.index(")", at) + 1
            continue
        # A function, or an aggregation whose labels stand before its argument.
        if following == "(" or following in ("by", "without") or token.lower() in WORDS:
            continue
        matchers = []
        if following == "{":
            end = tokens.index("}", at)
            matchers = [(label, operator, json.loads(text)) for label, operator, text in MATCHER.findall(" ".join(tokens[at + 1 : end]))]
            at = end + 1
        found.append((token, matchers))
    return found


def scraped(file):
    """What a scrape has: the types of families by name, and for each sample's name the values of its labels."""
    families, samples = {}, {}
    for line in file.read_text().splitlines():
        if line.startswith("#"):
            words = line.split(" ")
            if words[1:2] == ["TYPE"]:
                families[words[2]] = words[3]
        elif match := re.match(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ", line):
            labels = samples.setdefault(match[1], {})
            for label, _, text in MATCHER.findall(match[2] or ""):
                labels.setdefault(label, set()).add(re.sub(r"\\(.)", lambda escaped: {"n": "\n"}.get(escaped[1], escaped[1]), text[1:-1]))
    return families, samples


def sample_names(families):
    """The names that can stand in an expression. OpenMetrics' families are without the suffixes, Prometheus' with those of counters and infos."""
    names = set()
    for name, kind in families.items():
        suffixes = SUFFIXES.get(kind, ("",))
        names |= {name} if name.endswith(suffixes) else {name + suffix for suffix in suffixes}
    return names


def check_metrics(expressions, file, absent):
    """A family that has no series yet has no labels to compare; a label's value is compared where one alone is asked for."""
    families, samples = scraped(file)
    known_names = sample_names(families)
    wrong, names = [], set()
    for expression, where in expressions:
        for name, matchers in selectors(expression):
            if name in BUILT_IN or name in absent and name not in known_names:
                continue
            names.add(name)
            if name not in known_names:
                wrong.append(f"{where}: {name} is not in {file}")
            for label, operator, value in matchers if name in samples else []:
                if label in OF_THE_SCRAPE or (label, value) == ("pool", ""):
                    continue
                known = samples[name].get(label)
                if known is None:
                    wrong.append(f"{where}: {name} has no label {label}")
                elif operator == "=" and value not in known and label != "reason":
                    wrong.append(f'{where}: {name} has no {label}="{value}", but {", ".join(sorted(known))}')
        seen = [samples[name] for name, _ in selectors(expression) if name in samples]
        for label in re.findall(r"\w+", " ".join(GROUPED.findall(expression))) if seen else []:
            if label not in OF_THE_SCRAPE and not any(label in labels for labels in seen):
                wrong.append(f"{where}: no label {label} in {expression}")
    wrong = list(dict.fromkeys(wrong))
    print(f"check.py: {len(names)} names in {len(expressions)} expressions, {len(wrong)} wrong")
    return wrong


def ask(prometheus, expression):
    """How many series there are; an error's text where it is refused."""
    url = f"{prometheus.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return len(json.load(answer)["data"]["result"])
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        try:
            return json.loads(text)["error"]
        except (ValueError, KeyError):
            return f"HTTP {error.code}: {text[:200]}"
    except OSError as error:
        sys.exit(f"check.py: {prometheus} does not answer: {error}")


def check_prometheus(dashboard, rules, prometheus, absent):
    wrong = []
    for expression, where in dashboard:
        answer = ask(prometheus, expression)
        if isinstance(answer, str):
            wrong.append(f"{where}: {expression}: {answer}")
        elif answer == 0 and not any(name in absent for name, _ in selectors(expression)):
            wrong.append(f"{where}: {expression}: no series")
    # A rule without series is one that doesn't fire.
    for expression, where in rules:
        answer = ask(prometheus, expression)
        if isinstance(answer, str):
            wrong.append(f"{where}: {expression}: {answer}")
    print(f"check.py: {len(dashboard)} expressions and {len(rules)} rules asked of {prometheus}, {len(wrong)} wrong")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--expressions", action="store_true")
    parser.add_argument("--metrics", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--prometheus", metavar="URL")
    parser.add_argument(
        "--absent", action="append", default=[], metavar="NAME",
        help="a metric that may have no series, such as autogit_host_cpus_budget where there is no budget")
    parser.add_argument("--rate-interval", default="1m", metavar="DURATION", help="for $__rate_interval; at least four scrapes (default: %(default)s)")
    parser.add_argument("--range", default="1h", metavar="DURATION", help="for $__range (default: %(default)s)")
    parser.add_argument("--dashboard", type=pathlib.Path, default=HERE / "grafana-dashboard.json", metavar="FILE")
    parser.add_argument("--rules", type=pathlib.Path, default=HERE / "prometheus-rules.yml", metavar="FILE")
    options = parser.parse_args()
    if not (options.expressions or options.metrics or options.prometheus):
        parser.error("say what to do: --expressions, --metrics or --prometheus")

    dashboard = dashboard_expressions(options.dashboard, options.rate_interval, options.range)
    rules = rule_expressions(options.rules)
    wrong = []
    if options.expressions:
        print("\n".join(expression for expression, _ in dashboard))
    if options.metrics:
        wrong += check_metrics(dashboard + rules, options.metrics, options.absent)
    if options.prometheus:
        wrong += check_prometheus(dashboard, rules, options.prometheus, options.absent)
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
