"""Damage files and arguments at random, and look at what the program does with them.

    python benchmarks/fuzz.py                         # 20 000 mutants of 19 kinds
    python benchmarks/fuzz.py --count 200 tiff state  # some kinds
    python benchmarks/fuzz.py --seed 3 --count 1 --from 17 tiff    # one mutant again

Two processes read the mutants by the command line's `main`, or load them as states.  A mutant is
bad if the program prints a traceback, calls it a fault of its own (exit 70), needs more than 10 s,
dies, takes 300 MB more than for the sound file, opens a file outside of the folder, or goes on from
a damaged state to other numbers.  Bad mutants are kept, and printed with their seed."""

from __future__ import annotations

import argparse
import ctypes
import io
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import h5py
import numpy as np

SECONDS, MEMORY = 10.0, 300e6  # limits of one mutant
VIEWS, ROWS, COLUMNS = 9, 3, 11

# Sound files ------------------------------------------------------------------------------------


def exchange(path: Path, libver: str | None = None, **storage: Any) -> None:
    rng = np.random.default_rng(0)
    with h5py.File(path, "w", libver=libver) as file:
        for name, count, level in (("data", VIEWS, 500), ("data_white", 2, 1000)):
            values = rng.poisson(level, (count, ROWS, COLUMNS)).astype("u2")
            file.create_dataset(f"exchange/{name}", data=values, **storage)
        file["exchange/data_dark"] = np.full((2, ROWS, COLUMNS), 10, "u2")
        file["exchange/theta"] = np.linspace(0, 180, VIEWS, endpoint=False)
        file["exchange/theta"].attrs["units"] = "degrees"
        file["exchange/data"].attrs["axes"] = "theta:y:x"  # of variable length


def nexus(path: Path) -> None:
    rng = np.random.default_rng(0)
    key = [2, 1, *[0] * VIEWS]
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        entry["definition"] = "NXtomo"
        detector = entry.create_group("instrument/detector")
        levels = np.array([10, 1000, *[500] * VIEWS])[:, None, None]
        detector["data"] = rng.poisson(levels, (len(key), ROWS, COLUMNS)).astype("u2")
        detector["image_key"] = key
        for name in ("x_pixel_size", "y_pixel_size"):
            detector[name] = 6.5
            detector[name].attrs["units"] = "um"
        entry["sample/rotation_angle"] = np.arange(len(key)) * 15.0
        entry["sample/rotation_angle"].attrs["units"] = "degree"
        entry["data/data"] = h5py.SoftLink("/entry/instrument/detector/data")


def virtual(path: Path) -> None:
    """A scan whose views lie in other files; one name leads to the canary outside."""
    canary = path.parent.parent / "outside" / "secret.h5"
    rng = np.random.default_rng(0)
    layout = h5py.VirtualLayout((VIEWS, ROWS, COLUMNS), "u2")
    for view in range(VIEWS):
        name = path.parent / f"view{view}.h5"
        with h5py.File(name, "w") as file:
            file["data"] = rng.poisson(500, (ROWS, COLUMNS)).astype("u2")
        layout[view] = h5py.VirtualSource(name.name, "data", (ROWS, COLUMNS))
    exchange(path)
    with h5py.File(path, "a") as file:
        del file["exchange/data"]
        file.create_virtual_dataset("exchange/data", layout)
        file["process"] = h5py.ExternalLink("view0.h5", "/data")
        file["outside"] = h5py.ExternalLink(os.path.relpath(canary, path.parent), "/data")
        file["round"] = h5py.SoftLink("/exchange")


def volume(path: Path) -> None:
    scan = path.with_name("of_volume.h5")
    exchange(scan)
    command(["recon", str(scan), "-o", str(path), "--overwrite", "--slab-rows", "2"])


def image(path: Path, **options: Any) -> None:
    import physrecon as pr

    values = np.random.default_rng(0).poisson(100, (7, 9, 11)).astype("u2")
    pr.write_image(path, values, "ZYX", (0.3, 0.1, 0.1), "um", overwrite=True, **options)


def tiff(path: Path) -> None:
    import tifffile

    values = np.random.default_rng(0).poisson(100, (7, 37, 41)).astype("u2")
    tifffile.imwrite(path, values, compression="zlib", tile=(16, 16), photometric="minisblack")


def photo(path: Path, kind: str) -> None:
    from PIL import Image

    values = np.random.default_rng(0).poisson(100, (9, 11, 3)).astype("u1")
    Image.fromarray(values).save(path, format=kind)


PROBLEM: list[Any] = []


def problem() -> Any:
    """A small reconstruction, for states."""
    import physrecon as pr

    if not PROBLEM:
        scan = pr.ParallelBeam(np.arange(0, 180, 30), (1, 7), angle_unit="deg")
        A = pr.Projector(scan, scan.default_grid())
        y = A @ np.random.default_rng(0).random(A.in_shape).astype("f4")
        PROBLEM.append(pr.Problem(pr.LeastSquares(A, y)))
    return PROBLEM[0]


def state(path: Path) -> None:
    import physrecon as pr

    path.unlink(missing_ok=True)
    result = pr.solve(problem(), pr.LBFGS(), stop=pr.Stop(iterations=3))
    pr.save_state(path, result.state)


def psf(path: Path) -> None:
    import physrecon as pr

    values = pr.psf.gaussian((5, 7, 7), sigma=1.5)
    pr.write_image(path, values, "ZYX", (0.3, 0.1, 0.1), "um", overwrite=True)


TOML = """\
kind = "deconvolve"
input = "blurred.tif"
output = "sharp.tif"
method = "wiener"
psf = "gaussian:sigma=1.5,shape=5"
boundary = "reflect"
overwrite = true
"""
SCAN_TOML = """\
kind = "reconstruct"
input = "scan.h5"
output = "volume.h5"
method = "sirt"
center = 5.0
nonnegative = true
overwrite = true
[stop]
iterations = 2
"""
PSF = "gaussian:sigma=1.5,shape=5"
MODELS = [PSF, "gibson-lanni:na=1.4,wavelength=0.5,shape=5", "moffat:fwhm=3,beta=2.5,shape=9"]
MODELS += ["airy:na=1.3,wavelength=0.5", "defocus:radius=3", "motion:length=4,angle=30"]

FILES = {
    "scan": ("scan.h5", exchange),
    "chunks": ("scan.h5", lambda path: exchange(path, chunks=(1, 2, 4), compression="gzip")),
    "sums": (
        "scan.h5",
        lambda path: exchange(path, chunks=(1, 2, 4), shuffle=True, fletcher32=True),
    ),
    "latest": ("scan.h5", lambda path: exchange(path, "latest", chunks=(2, 2, 4), scaleoffset=0)),
    "lzf": ("scan.h5", lambda path: exchange(path, chunks=(2, 3, 11), compression="lzf")),
    "nexus": ("scan.nx", nexus),
    "virtual": ("scan.h5", virtual),
    "volume": ("volume.h5", volume),
    "tiff": ("image.tif", tiff),
    "imagej": ("image.tif", image),
    "ome": ("image.ome.tif", lambda path: image(path, ome=True)),
    "hdf5": ("image.h5", image),
    "png": ("image.png", lambda path: photo(path, "PNG")),
    "jpeg": ("image.jpg", lambda path: photo(path, "JPEG")),
    "state": ("state.h5", state),
    "toml": ("job.toml", lambda path: path.write_text(TOML)),
    "scan-toml": ("job.toml", lambda path: path.write_text(SCAN_TOML)),
}
SCANS = ("scan", "chunks", "sums", "latest", "lzf", "nexus", "virtual")
KINDS = (*FILES, "psf", "model")  # a PSF in a file, and as an argument


# Damage -----------------------------------------------------------------------------------------

EXTREME = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
WORDS = ["1e308", "-1", "0", "inf", "nan", "1e-308", "99999999", "1" * 21, "\0", "%b", "../", "[]"]
WORDS += [
    "true",
    '""',
    "{",
    "=",
    ",",
    ":",
    "é",
    "\u202e",
    "/",
    " ",
    "1e400",
    "-inf",
    "0x10",
    "auto",
]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one to four changes: bits, bytes, numbers, runs; cut, doubled or moved."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(out) or 1)
        match rng.randrange(8):
            case 0 if out:
                out[at] ^= 1 << rng.randrange(8)
            case 1 if out:
                out[at] = rng.randrange(256)
            case 2 | 3:
                width = rng.choice((1, 2, 4, 8))
                value = rng.choice(EXTREME) & (2 ** (8 * width) - 1)
                out[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))
            case 4:
                run = rng.choice((1, 8, 64, 512))
                out[at : at + run] = rng.choice((bytes(run), b"\xff" * run, rng.randbytes(run)))
            case 5:
                del out[at : at + rng.choice((1, 8, 100, len(out)))]
            case 6:
                run = out[at : at + rng.choice((8, 64, 512))]
                place = rng.randrange(len(out) or 1)
                out[place : place + len(run)] = run
            case 7 if out:
                number = rng.choice((np.inf, np.nan, 1e300, -1.0))
                out[at : at + 8] = struct.pack("<d", number)
    return bytes(out)


def misspelt(text: str, rng: random.Random) -> str:
    """The text with one to three words put in, exchanged, doubled or left out."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        end = min(end, at + rng.choice((0, 1, 3, 12)))
        text = text[:at] + rng.choice((*WORDS, "", text[at:end] * 2)) + text[end:]
    return text


# One mutant, in a worker ------------------------------------------------------------------------


def command(arguments: list[str]) -> tuple[int, str]:
    """(exit code, what is printed) of the command line."""
    from physrecon.cli.main import main

    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main(arguments)
    return code, said.getvalue()


def commands(kind: str, path: Path, text: str) -> list[list[str]]:
    if kind in SCANS:
        run = ["recon", str(path), "-o", "out.h5", "--overwrite", "--center", "5"]
        return [["info", str(path)], run]
    if kind == "volume":
        return [["info", str(path)], ["view", str(path), "-o", "out.png", "--overwrite"]]
    if kind.endswith("toml"):
        return [["run", str(path)]]
    sharpen = ["-o", "out.tif", "--method", "wiener", "--overwrite"]
    if kind == "psf":
        return [["deconvolve", "blurred.tif", "--psf", str(path), *sharpen]]
    if kind == "model":
        return [["deconvolve", "blurred.tif", "--psf", text, *sharpen]]
    return [["info", str(path)], ["deconvolve", str(path), "--psf", PSF, *sharpen]]


def tried(kind: str, path: Path, text: str, sound: list[Any]) -> tuple[str, str]:
    """(what is wrong or "", exit codes or the like) of one mutant."""
    if kind == "state":
        return resumed(path, sound)
    codes = []
    for arguments in commands(kind, path, text):
        code, said = command(arguments)
        codes.append(str(code))
        if "Traceback" in said or "Warning" in said:
            return "traceback", said
        if code in (70, 130) or code < 0:
            return f"exit {code}", said
        if code and not said.strip():
            return "no message", said
    if path.name.startswith("sound_") and set(codes) != {"0"}:
        return "refused", said
    return "", "/".join(codes)


def resumed(path: Path, sound: list[Any]) -> tuple[str, str]:
    import physrecon as pr

    try:
        state = pr.load_state(path)
        x = pr.solve(problem(), pr.LBFGS(), stop=pr.Stop(iterations=5), state=state).x
    except pr.PhysreconError as error:
        return "", f"refused {type(error).__name__}"
    if not sound:
        sound.append(x.copy())
    return ("", "same") if np.array_equal(x, sound[0]) else ("other numbers", str(x.ravel()[:3]))


class Canary:
    """Counts the openings of a file by any process."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.handle = libc.inotify_init1(os.O_NONBLOCK)
        if libc.inotify_add_watch(self.handle, os.fsencode(path), 0x20) < 0:  # IN_OPEN
            raise OSError(ctypes.get_errno(), "inotify")

    def opened(self) -> bool:
        try:
            return bool(os.read(self.handle, 1 << 16))
        except BlockingIOError:
            return False


def memory(word: str) -> int:
    """Bytes of this process that /proc states: VmRSS now, VmHWM the most since `forget`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(word)).split()[1])


def work() -> None:
    """Read {"kind", "path", "text"} lines from stdin; answer {"bad", "said"} for each."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sound: list[Any] = []
    state(Path("sound.h5"))
    resumed(Path("sound.h5"), sound)
    canary = Canary(Path("../outside/secret.h5"))
    for line in sys.stdin:
        task = json.loads(line)
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
        try:
            bad, said = tried(task["kind"], Path(task["path"]), task["text"], sound)
        except BaseException as error:
            bad, said = f"raised {type(error).__name__}", repr(error)
        extra = memory("VmHWM") - before
        if not bad and extra > MEMORY:
            bad, said = "memory", f"{extra / 1e6:.0f} MB"
        if canary.opened():
            bad = "outside"
        print(json.dumps({"bad": bad, "said": said[-2000:]}), file=answers, flush=True)


# The supervisor ---------------------------------------------------------------------------------


class Worker:
    """A process that tries mutants, in a folder of its own; replaced when it hangs or dies."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="fuzz_"))
        self.folder = self.root / "inside"
        self.folder.mkdir()
        (self.root / "outside").mkdir()
        with h5py.File(self.root / "outside/secret.h5", "w") as file:
            file["data"] = np.full((ROWS, COLUMNS), 777, "u2")
        self.process: subprocess.Popen[str] | None = None

    def sound(self, kind: str) -> tuple[Path, bytes]:
        """(path, bytes) of the sound file, made anew."""
        name, make = FILES.get(kind, ("psf.h5", psf))
        exchange(self.folder / "scan.h5")
        image(self.folder / "blurred.tif")
        make(self.folder / name)
        return self.folder / name, (self.folder / name).read_bytes()

    def ask(
        self, task: dict[str, str], sound: dict[str, str], seconds: float = SECONDS
    ) -> tuple[str, str]:
        if self.process is None:
            program = [sys.executable, __file__, "--worker"]
            with (self.root / "stderr").open("w") as errors:
                self.process = subprocess.Popen(
                    program, cwd=self.folder, text=True, stderr=errors,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )  # fmt: skip
            codes = self.ask(sound, sound, 600)  # imports and compiles
            if set(codes[1].split("/")) - {"0", "same"}:
                raise RuntimeError(f"{sound['kind']}: the sound file is refused: {codes}")
        process = self.process
        assert process.stdin and process.stdout
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        timer.cancel()
        if answer:
            reply = json.loads(answer)
            return reply["bad"], reply["said"]
        code = process.wait()
        self.process = None
        if code == -signal.SIGKILL:
            return "hang", f"more than {SECONDS:g} s"
        return f"signal {-code}", (self.root / "stderr").read_text()[-500:]

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)


def mutants(kind: str, seed: int, numbers: range, keep: Path, table: dict[str, Counter]) -> None:
    """Try the mutants of a kind with these numbers."""
    worker = Worker()
    counts = table[kind]
    try:
        path, data = worker.sound(kind)
        sound = {"kind": kind, "path": f"sound_{path.name}", "text": PSF}
        path.with_name(sound["path"]).write_bytes(data)
        for number in numbers:
            rng = random.Random(f"{kind} {seed} {number}")
            text = misspelt(rng.choice(MODELS), rng) if kind == "model" else ""
            changed = data if kind == "model" else damaged(data, rng)
            if kind.endswith("toml"):
                changed = misspelt(data.decode(), rng).encode() if number % 4 else changed
            path.write_bytes(changed)
            bad, said = worker.ask({"kind": kind, "path": path.name, "text": text}, sound)
            counts["tried"] += 1
            if not bad:
                counts[said] += 1
                continue
            counts["bad"] += 1
            kept = keep / f"{kind}_{seed}_{number}{path.suffix}"
            kept.write_bytes(changed)
            print(
                f"{kind} --seed {seed} --from {number}: {bad} {text!r}: {said[-300:]}", flush=True
            )
    finally:
        worker.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], metavar="KIND")
    parser.add_argument("--count", type=int, default=20_000, help="mutants, of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "fuzz_bad")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work()
        return 0
    kinds = options.kinds or KINDS
    options.keep.mkdir(exist_ok=True)
    each = range(options.first, options.first + -(-options.count // len(kinds)))
    table: dict[str, Counter] = {kind: Counter() for kind in kinds}
    waiting = list(kinds)
    begun = time.monotonic()

    def some() -> None:
        while waiting:
            mutants(waiting.pop(0), options.seed, each, options.keep, table)

    threads = [threading.Thread(target=some) for _ in range(min(2, len(kinds)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind, counts in table.items():
        most = ", ".join(f"{k} {n}" for k, n in counts.most_common(6) if k not in ("tried", "bad"))
        print(f"{kind:10} {counts['tried']:6} tried {counts['bad']:4} bad   {most}")
    tried_, bad = (sum(counts[name] for counts in table.values()) for name in ("tried", "bad"))
    print(f"seed {options.seed}: {tried_} tried, {bad} bad, {time.monotonic() - begun:.0f} s")
    return 1 if bad or tried_ < len(kinds) * len(each) else 0


if __name__ == "__main__":
    sys.exit(main())
