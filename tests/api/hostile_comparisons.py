"""Requests about comparisons that must be refused, and how: a part of the hostile catalogue."""

from typing import Any

import orjson

from tests.api.hostile_rows import CANARY, KIB, LONG, Row, query, send

UNKNOWN = f"cmp_{'0' * 32}"
ARMS = [{"name": f"{CANARY} a"}, {"name": f"{CANARY} b", "norm": "batch"}]


def asked(name: str, *pointers: str, **body: Any) -> Row:
    """A comparison that breaks a rule."""
    content = orjson.dumps({"arms": ARMS, **body})
    return send(name, "POST", "/comparisons", content, 422, "validation-error", *pointers)


def body(name: str, content: bytes, status: int, code: str, *pointers: str) -> Row:
    return send(name, "POST", "/comparisons", content, status, code, *pointers)


def question(name: str, path: str, *pointers: str) -> Row:
    return query(name, f"/comparisons/{UNKNOWN}/{path}", *pointers)


COMPARISON_ROWS = [
    body("comparison of nothing", b"{}", 422, "validation-error", "/arms"),
    *(
        body(f"comparison {text}", text.encode(), 422, "validation-error", "")
        for text in ("null", "[]", '"x"', "1")
    ),
    body("comparison with NaN", b'{"learning_rates": [NaN]}', 400, "malformed-json"),
    body("comparison twice", b'{"seeds": 1, "seeds": 2}', 422, "validation-error", "/seeds"),
    body("comparison of 256 KB", b"{}".ljust(256 * KIB + 1), 413, "payload-too-large"),
    asked("arms in an object", "/arms", arms={"name": CANARY}),
    asked("201 arms", "/arms", arms=[{"name": f"{CANARY}{n}"} for n in range(201)]),
    asked("no arms", "/arms", arms=[]),
    asked("an arm without a name", "/arms/0/name", arms=[{"norm": "batch"}]),
    *(
        asked(f"an arm of name {n}", "/arms/0/name", arms=[{"name": name}])
        for n, name in enumerate(("", CANARY * 9, f"{CANARY}\n", 1, None, LONG))
    ),
    asked("two arms of one name", "/arms/0/name", "/arms/1/name", arms=[ARMS[0], ARMS[0]]),
    asked("an arm with a seed", "/arms/0/seed", arms=[{"name": CANARY, "seed": 1}]),
    asked("an arm with a status", "/arms/0/status", arms=[{"name": CANARY, "status": "x"}]),
    asked("an arm of an unknown norm", "/arms/1/norm", arms=[ARMS[0], {"name": "b", "norm": CANARY}]),
    asked(
        "arms that break rules of two fields",
        *("/arms/1/groups", "/arms/1/n_units"),
        arms=[ARMS[0], {"name": "b", "norm": "group", "groups": 7}],
    ),
    asked("an arm of too many units", "/arms/0/n_units", arms=[{"name": "a", "n_units": 10**12}]),
    *(
        asked(f"seeds {n}", "/seeds", seeds=seeds)
        for n, seeds in enumerate((0, -1, 1001, True, "5", 5.5, 1e4, [], [1, 1], {}, list(range(1001))))
    ),
    *(asked(f"a seed {n}", "/seeds/0", seeds=[seed]) for n, seed in enumerate((-1, 2**53, "1", 1.5, True))),
    asked("repeated rates", "/learning_rates", learning_rates=[0.1, 0.1]),
    asked("101 rates", "/learning_rates", learning_rates=[0.1 + n for n in range(101)]),
    *(
        asked(f"a rate {n}", "/learning_rates/0", learning_rates=[rate])
        for n, rate in enumerate((0, -1, 1e7, "0.1", True))
    ),
    asked(
        "rates twice",
        *("/base/learning_rate",),
        learning_rates=[0.1, 0.2],
        base={"learning_rate": 0.3},
    ),
    asked("too many runs", "/arms", "/seeds", seeds=501),
    asked("an unknown preset", "/preset", preset=CANARY),
    asked("an unknown baseline", "/baseline", baseline=f"{CANARY} c"),
    asked("an unknown field of the base", "/base/norms", base={"norms": CANARY}),
    asked("a base of null", "/base", base=None),
    asked("a wrong base", "/base/n_units", base={"n_units": 0}),
    asked("a label of 81", "/label", label=CANARY * 9),
    asked("a status of a comparison", "/status", status="ended"),
    *(
        send(f"{method} of no comparison {n}", method, path, content, 404, "comparison-not-found")
        for n, (method, path, content) in enumerate(
            [
                *(("GET", f"/comparisons/{text}", None) for text in (UNKNOWN, CANARY, "cmp_", "%00")),
                ("DELETE", f"/comparisons/{UNKNOWN}", None),
                ("POST", f"/comparisons/{UNKNOWN}/cancel", None),
                ("POST", f"/comparisons/{UNKNOWN}/extend", b'{"seeds": 6}'),
                *(
                    ("GET", f"/comparisons/{UNKNOWN}/{name}", None)
                    for name in (
                        "runs",
                        "summary",
                        "curves",
                        "robustness",
                        "plot.png",
                        "plot.svg",
                        "report.md",
                    )
                ),
                ("GET", f"/comparisons/{CANARY}%0a/report.html", None),
            ]
        )
    ),
    *(
        question(f"{path} of rate {text}", f"{path}?learning_rate={text}", "/learning_rate")
        for path in ("summary", "curves", "plot.svg", "report.md")
        for text in ("0", "-1", "nan", "inf", "1e999", CANARY)
    ),
    *(
        question(f"robustness of level {text}", f"robustness?level={text}", "/level")
        for text in ("0", "1.01", "nan", CANARY)
    ),
    *(
        question(f"curves of {n} points", f"curves?max_points={n}", "/max_points")
        for n in ("9", "2001", "1" * 20, CANARY)
    ),
    question("robustness of an unknown split", f"robustness?split={CANARY}", "/split"),
    question("runs of one rate", "runs?learning_rate=0.1", "/learning_rate"),
    question("an unknown format of runs", f"runs?format={CANARY}", "/format"),
    question("curves of an unknown figure", f"curves?metric={CANARY}", "/metric"),
    question("curves of two figures", "curves?metric=test_loss&metric=train_loss", "/metric"),
    question("curves of an unknown band", f"curves?band={CANARY}", "/band"),
    question("runs of another type", f"curves?runs={CANARY}", "/runs"),
    question("an unknown format", f"summary?format={CANARY}", "/format"),
    question("an unknown theme", f"plot.png?theme={CANARY}", "/theme"),
    question("an unknown parameter of a report", f"report.html?a={CANARY}", "/a"),
    send("a plot with a body", "GET", f"/comparisons/{UNKNOWN}/plot.png", b"{}", 413, "payload-too-large"),
    send("another method", "POST", f"/comparisons/{UNKNOWN}/summary", None, 405, "method-not-allowed"),
]
