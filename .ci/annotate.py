#!/usr/bin/env python3
"""Label chips in a real browser: the page of nbs/experiments/annotate.ipynb, served by Voilà, clicked in headless Chromium.

Thirty labels are given, with skips, undos (one of them across a training), typed keys, a kernel killed between two clicks, another
killed while it trains, and a page that is loaded again. Then in a hurry: quick clicks and keys, double clicks, clicks while
the page stands still, and kernels killed right after a click. What is recorded must be what was painted when the hand moved, and what
is not recorded must be named or unconfirmed. In the end the record, what was clicked, and the exported table must be the same.
Ends with 0 if they are, 1 if anything is wrong, 2 if a program that it needs is missing.

    python .ci/annotate.py SHOTS [--clicks 30] [--seed 0] [--chromium PATH] [--chromedriver PATH]
"""
import argparse
import importlib.util
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NOT_OURS = ("favicon", "WebSocket", "ERR_CONNECTION", "ERR_NAME_NOT_RESOLVED", "ERR_INTERNET", "/voila/api/shutdown/", "/voila/labextensions/", "/api/kernels/")  # complaints about Voilà, the net, and killed kernels
WAIT = 300  # seconds for anything to happen
PAUSE = .5  # seconds to look at a chip, longer than a double click takes
CHROMIUM, DRIVER = ("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], epilog="\n".join(__doc__.split("\n\n")[1:2]))
    parser.add_argument("shots", type=Path, help="folder for the screenshots, made if absent")
    parser.add_argument("--clicks", type=int, default=30, help="labels to give, at least 24")
    parser.add_argument("--seed", type=int, default=0, help="decides which classes are clicked")
    parser.add_argument("--chromium", default=next(filter(None, map(shutil.which, CHROMIUM)), None), help="the browser")
    parser.add_argument("--chromedriver", default=next(filter(None, map(shutil.which, DRIVER)), None), help="its driver")
    args = parser.parse_args()
    if args.clicks < 24: parser.error("--clicks: at least 24, or the interruptions do not fit in")
    return args


def missing(args):
    "What is not installed, and how to get it."
    for module, how in dict(droughtal="pip install -e .", voila="pip install voila", selenium="pip install selenium", websocket="pip install websocket-client").items():
        if importlib.util.find_spec(module) is None: yield f"{module} is not installed: {how}"
    for name, path in dict(chromium=args.chromium, chromedriver=args.chromedriver).items():
        if not path or not Path(path).is_file(): yield f"{name} is not there: apt-get install chromium chromium-driver, or name it with --{name}"


class Voila:
    "A served notebook."
    def __init__(self, folder, notebook):
        with socket.socket() as s: s.bind(("127.0.0.1", 0)); self.port = s.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{self.port}/", folder / "voila.log"
        env = os.environ | dict(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", OMP_NUM_THREADS="1")
        command = [sys.executable, "-m", "voila", str(notebook), "--no-browser", f"--port={self.port}", "--Voila.ip=127.0.0.1", "--show_tracebacks=True"]
        self.process = subprocess.Popen(command, cwd=folder, env=env, stdout=self.log.open("w"), stderr=subprocess.STDOUT, start_new_session=True)
        until(self._answers, "Voilà to answer")

    def _answers(self):
        if self.process.poll() is not None: raise Failure(f"Voilà ended with {self.process.returncode}")
        with socket.socket() as s: return s.connect_ex(("127.0.0.1", self.port)) == 0

    def kernels(self):
        import psutil
        found = []
        for p in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if p.status() != psutil.STATUS_ZOMBIE and any("ipykernel" in a for a in p.cmdline()): found.append(p.pid)
            except psutil.Error: pass
        return found

    def kill_kernels(self):
        pids = self.kernels()
        if not pids: raise Failure("found no kernel to kill")
        for pid in pids: os.kill(pid, signal.SIGKILL)
        until(lambda: not set(pids) & set(self.kernels()), "the killed kernels to be gone")

    def close(self):
        for pid in self.kernels(): os.kill(pid, signal.SIGKILL)
        self.process.terminate()
        try: self.process.wait(20)
        except subprocess.TimeoutExpired: self.process.kill()


class Failure(Exception): pass


def until(happened, what, seconds=WAIT, every=.02):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := happened(): return found
        time.sleep(every)
    raise Failure(f"waited {seconds} s for {what}")


def check(got, wanted, what):
    if got != wanted: raise Failure(f"{what}: expected {wanted}, found {got}")


# what was painted in each frame, and when the mouse and the keys went down
WATCH = """
if (!window.painted) {
    window.painted = []; window.went = [];
    const row = () => { const e = document.querySelector('.droughtal-chip b'); return e ? Number(e.textContent.replace('row ', '')) : null };
    const frame = () => { painted.push([performance.now(), row()]); requestAnimationFrame(frame) };
    requestAnimationFrame(frame);
    for (const kind of ['pointerdown', 'keydown']) window.addEventListener(kind, e => went.push(e.timeStamp), true);
}
went.length = 0;
"""
AT_HAND = "return went.map(t => { const before = painted.filter(([p, _]) => p <= t); return before.length ? before[before.length - 1][1] : null })"
STAND_STILL = "setTimeout(() => { const end = performance.now() + 900; while (performance.now() < end); }, 0)"


class Page:
    "The tool in a browser, as somebody sees it who has only eyes and a mouse."
    def __init__(self, args, url):
        from selenium import webdriver
        options = webdriver.ChromeOptions()
        options.binary_location = args.chromium
        for a in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"): options.add_argument(a)
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=args.chromedriver))
        self.url, self.shots, self.n, self.line, self.sent = url, args.shots, 0, None, 0

    def open(self):
        self.driver.get(self.url)
        return until(self.ready, "the tool to appear")

    def script(self, code, *args): return self.driver.execute_script(code, *args)
    def text(self, name): return self.script("const e = document.querySelector(arguments[0]); return e ? e.textContent : ''", f".droughtal-{name}")
    def row(self): return self.script("const e = document.querySelector('.droughtal-chip b'); return e ? Number(e.textContent.replace('row ', '')) : null")
    def states(self): return dict(self.script("return [...document.querySelectorAll('button.widget-button')].map(b => [b.textContent.trim(), !b.disabled])"))
    def enabled(self, name): return self.states().get(name, False)
    def ready(self):
        if "Traceback (most recent call last)" in self.script("return document.body ? document.body.textContent : ''"): raise Failure("the page shows a traceback")
        return "undo" in self.states() and (self.row() is not None and self.enabled("0") or self.enabled("train now"))

    def click(self, name):
        from selenium.webdriver.common.by import By
        time.sleep(PAUSE)
        self.driver.find_element(By.XPATH, f"//button[contains(@class, 'widget-button')][normalize-space()='{name}']").click()

    def type(self, key):
        from selenium.webdriver.common.by import By
        time.sleep(PAUSE)
        self.driver.find_element(By.CSS_SELECTOR, ".widget-text input").send_keys(key)

    def place(self, name):
        "The middle of a button, in px."
        return self.script("const b = [...document.querySelectorAll('button.widget-button')].find(b => b.textContent.trim() == arguments[0]).getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]", name)

    def _at_once(self, *events):
        "Hand input to the browser without waiting for the page to take it."
        if self.line is None:
            import websocket
            address = self.driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
            self.line = websocket.create_connection(f"ws://{address}/devtools/page/{self.driver.current_window_handle}", suppress_origin=True, timeout=WAIT)
        for method, what in events: self.sent += 1; self.line.send(json.dumps(dict(id=self.sent, method=f"Input.{method}", params=what)))

    def taken(self):
        "Wait until the page has taken all input."
        while self.line and json.loads(self.line.recv()).get("id") != self.sent: pass

    def hit(self, place):
        "Press the mouse at once, whatever is there."
        self._at_once(*(("dispatchMouseEvent", dict(type=kind, x=place[0], y=place[1], button="left", clickCount=1)) for kind in ("mousePressed", "mouseReleased")))

    def strike(self, key):
        "Press a key at once."
        self._at_once(("dispatchKeyEvent", dict(type="keyDown", key=key, text=key)), ("dispatchKeyEvent", dict(type="keyUp", key=key)))

    def settle(self, seconds=2.5):
        "Wait until nothing moves any more."
        def state(): return self.row(), self.text("message"), self.text("refused"), self.text("count")
        last, since = state(), time.monotonic()
        while time.monotonic() - since < seconds or not self.ready():
            if time.monotonic() - since > WAIT: raise Failure("the page does not come to rest")
            time.sleep(.1)
            if (now := state()) != last: last, since = now, time.monotonic()

    def shot(self, name):
        self.n += 1
        self.driver.save_screenshot(str(self.shots / f"{self.n:02d}-{name}.png"))

    def complaints(self):
        "Errors of the page's own scripts; a connection that we broke is none."
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE" and not any(known in e["message"] for known in NOT_OURS)]


class Worker:
    "Clicks, and remembers what was clicked."
    def __init__(self, page, voila, record, args):
        self.page, self.voila, self.record, self.rng = page, voila, record, random.Random(args.seed)
        self.labels, self.skips, self.history, self.undone, self.seconds, self.trainings = [], [], [], 0, [], []

    def saved(self):
        "Labels and skips on disk, in order."
        from droughtal.apps.annotate import replay
        answers = replay(json.loads(self.record.read_text())["actions"])[0]
        return [(a["id"], a["label"]) for a in answers if a["do"] == "label"], [a["id"] for a in answers if a["do"] == "skip"]

    def _after(self, began):
        "Wait until the page shows the next chip."
        until(lambda: self.page.ready() and self.page.text("message") != self.before, "the next chip")
        took = time.monotonic() - began
        (self.trainings if "Trained on" in self.page.text("message") else self.seconds).append(took)
        check(self.saved(), (self.labels, self.skips), "what is saved")

    def do(self, name, wait=True, key=None):
        self.before, row = self.page.text("message"), self.page.row()
        if name not in ("undo", "train now") and row is None: raise Failure(f"no chip is shown for {name}: {self.before}")
        began = time.monotonic() + PAUSE
        if key: self.page.type(key)
        else: self.page.click(name)
        if name == "undo":
            self.undone += 1
            kind, *what = self.history.pop()
            (self.skips if kind == "skip" else self.labels).pop()
        elif name == "skip": self.skips.append(row); self.history.append(("skip", row))
        elif name != "train now": self.labels.append((row, "0 1 2 3+".split().index(name))); self.history.append(("label", row))
        if wait: self._after(began)
        return row

    def label(self, **kw): return self.do(self.rng.choice("0 0 0 1 2 3+".split()), **kw)

    def killed(self, name):
        "Kill the kernel, open the page again, and find everything there."
        self.voila.kill_kernels()
        self.page.shot(f"{name}-killed")
        check(self.saved(), (self.labels, self.skips), f"what is saved after the kernel was {name} and killed")
        self.page.open()
        self.page.shot(f"{name}-resumed")
        message = self.page.text("message")
        if f"after {len(self.labels)} labels" not in message: raise Failure(f"after {name} and kill the page says: {message}")
        if self.page.row() is None: self.do("train now")


    def hurry(self, what, act, labels):
        "Do many things without looking, and see what became of them."
        time.sleep(6)  # until what was refused before is forgotten
        if self.page.row() is None: self.do("train now")
        self.page.script(WATCH)
        act()
        self.page.taken()
        self.page.settle()
        at_hand = list(zip(self.page.script(AT_HAND), labels))
        check(len(at_hand), len(labels), f"{what}: what the page noticed")
        saved, skipped = self.saved()
        new, refused = saved[len(self.labels):], self.page.text("refused")
        check((saved[:len(self.labels)], skipped), (self.labels, self.skips), f"{what}: what was saved before")
        left = iter(at_hand)
        if not all(n in left for n in new): raise Failure(f"{what}: saved {new}, but what was painted was {at_hand}")
        if len({i for i, _ in new}) < len(new): raise Failure(f"{what}: labelled twice: {new}")
        self.labels += new
        self.history += [("label", i) for i, _ in new]
        named = sum(f" at row {i} (" in refused for i, _ in at_hand) and refused.count(" (")
        print(f"{what}: {len(labels)} given, {len(new)} counted, {named} named; painted: {[i for i, _ in at_hand]}")
        return at_hand, new, named, refused

    def killed_at_once(self, delay):
        "Kill the kernel right after a click; what the page confirms must be saved, and nothing else be lost."
        if self.page.row() is None: self.do("train now")
        before = len(self.labels)
        row = self.label(wait=False)
        time.sleep(delay)
        self.voila.kill_kernels()
        time.sleep(1)
        confirmed, saved = self.page.row() != row or f"Row {row} is" in self.page.text("message"), self.saved()[0]
        if len(saved) == before:
            if confirmed: raise Failure(f"the page confirms row {row}, which is not saved")
            self.labels.pop(); self.history.pop()
        print(f"killed {delay} s after a click: {'saved' if len(saved) > before else 'not saved'}, {'confirmed' if confirmed else 'not confirmed'}")
        check(self.saved(), (self.labels, self.skips), "what is saved after a kill right after a click")
        self.page.open()
        check(f"after {len(self.labels)} labels" in self.page.text("message"), True, "the page counts what was saved")


def in_a_hurry(worker, page):
    "What a quick hand or a slow page can do."
    for n in range(3):
        first, second = page.place("0"), page.place("2")
        def slow():
            page.hit(first)
            page.script(STAND_STILL)
            until(lambda: len(worker.saved()[0]) > len(worker.labels), "the first click to be saved")
            page.hit(second)
        at_hand, new, named, refused = worker.hurry("a click, and another while the page stands still", slow, [0, 2])
        if at_hand[0][0] == at_hand[1][0]: check(new, at_hand[:1], "what was saved of two clicks on one chip")
        if n == 0: page.shot("stood-still")
    places = [page.place(name) for name in ("0", "1", "2", "3+")]
    def double():
        for _ in range(2): page.hit(places[1]); time.sleep(.15)
    check(len(worker.hurry("a double click", double, [1, 1])[1]), 1, "what was saved of a double click")
    several = [0, 1, 2, 3, 0, 2]
    worker.hurry("clicks every 0.1 s", lambda: [(page.hit(places[c]), time.sleep(.1)) for c in several], several)
    for gap, keys in ((.15, "0120"), (.03, "0123"), (0, "012012")):
        def type_them():
            page.script("document.querySelector('.widget-text input').focus()")
            for key in keys: page.strike(key); time.sleep(gap)
        at_hand, new, named, refused = worker.hurry(f"keys every {gap} s", type_them, list(map(int, keys)))
        check(len(new) + named, len(keys), f"keys counted or named ({new}; {refused})")
    page.shot("hurried")
    for delay in (0, .05, .3): worker.killed_at_once(delay)


def the_job(worker, page, clicks):
    "Thirty labels, and whatever comes between them."
    while len(worker.labels) < 4: worker.label()
    worker.do("skip")
    page.shot("some-labels")
    wrong = worker.label()
    worker.do("undo")
    check(page.row(), wrong, "the row that undo brings back")
    while len(worker.labels) < 8: worker.label()  # the last one trains
    page.shot("first-training")
    worker.do("undo")
    check(len(worker.labels), 7, "labels after undo across a training")
    page.shot("training-undone")
    worker.label()
    while len(worker.labels) < 11: worker.label()
    worker.do("skip")
    waiting = page.row()
    worker.killed("between-clicks")
    check(page.row(), waiting, "the row that was waiting before the kernel was killed")
    while len(worker.labels) < 13: worker.label()
    worker.label(wait=False)  # the fourteenth trains
    until(lambda: len(worker.saved()[0]) == 14, "the label to be saved")
    page.shot("training")
    worker.killed("training")
    while len(worker.labels) < 22: worker.label()
    waiting = page.row()
    page.driver.get(page.url)
    until(lambda: page.ready() or page.enabled("go on here"), "the page")
    if not page.ready():
        page.shot("in-use")
        page.click("go on here")
        until(page.ready, "the session to change hands")
    check((page.row(), worker.saved()), (waiting, (worker.labels, worker.skips)), "the page after a reload")
    worker.do("skip"); worker.do("undo"); worker.do("skip")
    worker.do("3+", key="3"); worker.do("undo", key="u"); worker.do("2", key="2")
    while len(worker.labels) < clicks: worker.label()
    page.shot("all-labels")


def check_export(page, worker, folder):
    "What the tool exports."
    import pandas as pd
    page.click("export")
    until(lambda: "labels are in labels.csv" in page.text("message"), "the export")
    page.shot("exported")
    table = pd.read_csv(folder / "labels.csv", dtype={"class": str})
    check(list(zip(table.id, table.label)), worker.labels, "labels.csv")
    check(table["class"].tolist(), ["0 1 2 3+".split()[l] for _, l in worker.labels], "classes in labels.csv")
    check(table.order.tolist(), list(range(1, len(worker.labels) + 1)), "order in labels.csv")
    check(pd.read_csv(folder / "skipped.csv").id.tolist(), worker.skips, "skipped.csv")
    check(pd.read_parquet(folder / "labels.parquet").id.tolist(), table.id.tolist(), "labels.parquet")


def main():
    args = arguments()
    if lacking := list(missing(args)):
        print("Cannot label in a browser here:", *lacking, sep="\n  ", file=sys.stderr)
        return 2
    import papermill
    from droughtal.loop.launch import notebook_path
    args.shots.mkdir(parents=True, exist_ok=True)
    tmp = Path(tempfile.mkdtemp(prefix="annotate-"))
    voila = page = None
    try:
        parameters = dict(out=str(tmp / "session"), initial_size=8, query_size=6, threads=1)
        papermill.execute_notebook(str(notebook_path("annotate")), str(tmp / "annotate.ipynb"), parameters, prepare_only=True, progress_bar=False)
        voila = Voila(tmp, tmp / "annotate.ipynb")
        page = Page(args, voila.url)
        began = time.monotonic()
        page.open()
        print(f"the tool was there after {time.monotonic() - began:.1f} s")
        page.shot("opened")
        worker = Worker(page, voila, tmp / "session" / "session.json", args)
        the_job(worker, page, args.clicks)
        in_a_hurry(worker, page)
        check_export(page, worker, tmp / "session")
        if wrong := page.complaints(): raise Failure("the browser complains: " + "; ".join(wrong))
        print(f"{len(worker.labels)} labels, {len(worker.skips)} skipped, {worker.undone} undone, 5 kernels killed; all saved in order and exported\n"
              f"from click to next chip {statistics.median(worker.seconds):.2f} s (median of {len(worker.seconds)}, longest {max(worker.seconds):.2f} s), "
              f"with training {statistics.median(worker.trainings):.2f} s (median of {len(worker.trainings)}); screenshots in {args.shots}")
        return 0
    except Exception as e:
        print(f"FAILED: {type(e).__name__}: {str(e).split('Stacktrace')[0]}", file=sys.stderr)
        if page: page.shot("failed")
        if voila: print("the end of Voilà's log:", voila.log.read_text()[-3000:], sep="\n", file=sys.stderr)
        return 1
    finally:
        if page: page.driver.quit()
        if voila: voila.close()
        shutil.rmtree(tmp, ignore_errors=True)


if __name__ == "__main__": sys.exit(main())
