"""Develop a photograph with raptors, and the same code with NumPy.

`develop` is written once against a namespace `xp`: NumPy runs it op by op, raptors captures it, fuses it and
runs it. It uses only + - * / sqrt, comparisons, min, max, casts and slices, which raptors promises to compute
to the last bit, so the two pictures must be equal, not merely close.

    python examples/develop_photo.py             # both, with times; writes out/
    python examples/develop_photo.py --numpy     # only the NumPy picture, without raptors
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PHOTO_CREDIT = "china.jpg as shipped by scikit-learn, (c) danielbuechele, CC BY 2.0"
Call = Callable[[], Any]
OUT = Path(__file__).resolve().parent.parent / "out"

# sRGB curves (IEC 61966-2-1) without pow: Chebyshev fits over the part above the linear toe. The first is a
# polynomial in x, at most 0.009 of an 8-bit step from the exact curve; the second in x**(1/8), at most 0.001.
SRGB_TO_LINEAR = (0.0010585, 0.02904625, 0.54574016, 0.59446851, -0.22331859, 0.05301672)
LINEAR_TO_SRGB = (-0.06488496, 0.08063716, -0.29723813, 1.09523749, 0.18625061)

# White balance: a little warmth against the blue of the haze.
GAINS = np.array([1.015, 1.0, 0.99], dtype=np.float32)
# Light that the haze adds everywhere, in linear units.
HAZE = np.array([0.0005, 0.0010, 0.0020], dtype=np.float32)


def horner(x: Any, coefficients: tuple[float, ...]) -> Any:
    """The polynomial with `coefficients` (constant first) at `x`."""
    y = x * coefficients[-1] + coefficients[-2]
    for c in reversed(coefficients[:-2]):
        y = y * x + c
    return y


def to_linear(xp: Any, v: Any) -> Any:
    """sRGB code values in 0..1 to linear light."""
    return xp.where(v <= 0.04045, v / 12.92, horner(v, SRGB_TO_LINEAR))


def to_srgb(xp: Any, light: Any) -> Any:
    """Linear light in 0..1 to sRGB code values."""
    root = xp.sqrt(xp.sqrt(xp.sqrt(light)))
    return xp.where(light <= 0.0031308, light * 12.92, horner(root, LINEAR_TO_SRGB))


def luminance(rgb: Any) -> Any:
    """Rec. 709 luminance of linear `rgb`, shape (height, width)."""
    return rgb[..., 0] * 0.2126 + rgb[..., 1] * 0.7152 + rgb[..., 2] * 0.0722


def blur_rows(xp: Any, a: Any, step: int) -> Any:
    """Binomial [1 4 6 4 1]/16 along axis 0, taps `step` rows apart, edge rows repeated."""
    top, bottom, n = a[:1], a[-1:], a.shape[0]
    pad = 2 * step
    p = xp.concat([top] * pad + [a] + [bottom] * pad, axis=0)
    t = [p[k * step : k * step + n] for k in range(5)]
    return (t[0] + t[4]) * 0.0625 + (t[1] + t[3]) * 0.25 + t[2] * 0.375


def blur(xp: Any, a: Any, step: int) -> Any:
    """Binomial blur of a 2-D array in both directions."""
    return blur_rows(xp, blur_rows(xp, a, step).T, step).T


def vignette(xp: Any, height: int, width: int, strength: float) -> Any:
    """cos^4 falloff from the middle, 1 there: 1/(1 + strength r^2)^2 with r = 1 at the corners."""
    y = xp.linspace(-1.0, 1.0, height, dtype=xp.float32)[:, None]
    x = xp.linspace(-1.0, 1.0, width, dtype=xp.float32)[None, :]
    f = 1.0 / (1.0 + (x * x + y * y) * (0.5 * strength))
    return f * f


def graduated(xp: Any, height: int, strength: float) -> Any:
    """A graduated filter: 1 - strength at the top edge, a smooth step to 1 a little below the middle."""
    y = xp.linspace(-1.0, 1.0, height, dtype=xp.float32)[:, None]
    s = xp.clip(0.5 - y * 1.2, 0.0, 1.0)
    return 1.0 - s * s * (3.0 - s * 2.0) * strength


def hable(x: Any) -> Any:
    """John Hable's filmic curve before scaling to white: toe, straight part, shoulder."""
    return (x * (x * 0.22 + 0.03) + 0.002) / (x * (x * 0.22 + 0.30) + 0.06) - 0.01 / 0.30


def filmic(xp: Any, x: Any, white: float) -> Any:
    """Hable's curve, scaled so that `white` becomes 1."""
    return xp.clip(hable(x) / hable(white), 0.0, 1.0)


def develop(
    xp: Any,
    image: Any,
    gains: Any = GAINS,
    haze: Any = HAZE,
    exposure: float = 2.7,
    white: float = 2.7,
    sharpen: float = 0.35,
    clarity: float = 0.3,
    falloff: float = 0.3,
    sky: float = 0.42,
    saturation: float = 1.22,
) -> tuple[Any, Any]:
    """Develop `image`, uint8 (height, width, 3), into a uint8 picture and the float32 code values of it."""
    height, width, _ = image.shape
    light = to_linear(xp, xp.astype(image, xp.float32) / 255.0)

    # Scene and lens: haze out, white balance, exposure, vignette, a graduated filter for the sky.
    light = xp.maximum(light - haze, 0.0) * gains * exposure
    light = light * (vignette(xp, height, width, falloff) * graduated(xp, height, sky))[..., None]

    # Local contrast, on the square root of luminance, where a step looks as large in the shadows as in the
    # lights: an unsharp mask for detail and a wide one for clarity, both limited so that edges get no halo.
    tone = xp.sqrt(luminance(light))
    near = blur(xp, tone, 1)
    far = blur(xp, blur(xp, near, 2), 4)
    detail = xp.clip((tone - near) * sharpen, -0.04, 0.04) + xp.clip((near - far) * clarity, -0.10, 0.10)
    crisp = xp.maximum(tone + detail, 0.0)

    # Film: the tone curve acts on luminance, so hues stay; then colour away from grey.
    film = light * (filmic(xp, crisp * crisp, white) / (tone * tone + 1e-4))[..., None]
    grey = luminance(film)[..., None]
    film = xp.clip(grey + (film - grey) * saturation, 0.0, 1.0)

    code = to_srgb(xp, film)
    pixels = xp.astype(xp.round(xp.clip(code * 255.0, 0.0, 255.0)), xp.uint8)
    return pixels, code


def photograph() -> np.ndarray:
    """The sample photograph as uint8 (height, width, 3); scikit-learn itself is not imported."""
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("develop_photo: the photograph is a file of scikit-learn, which is not installed")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "images" / "china.jpg"
    return np.array(Image.open(path).convert("RGB"))


def interleaved(first: Call, second: Call, budget: float) -> tuple[float, float, int]:
    """Median seconds of both, run in turns for `budget` seconds (3 to 101 turns) after one warm-up each."""
    first()
    second()
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + budget
    while len(times[0]) < 3 or (time.perf_counter() < end and len(times[0]) < 101):
        for run, seconds in zip((first, second), times, strict=True):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1]), len(times[0])


def save(name: str, pixels: np.ndarray, written: list[Path]) -> None:
    """Write a PNG into out/ and remember it."""
    OUT.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(OUT / name)
    written.append(OUT / name)


def save_pictures(before: np.ndarray, after: np.ndarray, written: list[Path]) -> None:
    """developed.png, and before_after.png with a gap of two white pixels."""
    save("developed.png", after, written)
    gap = np.full((before.shape[0], 2, 3), 255, dtype=np.uint8)
    save("before_after.png", np.concatenate([before, gap, after], axis=1), written)


def op_count(lazy: Any) -> str:
    """The number of captured ops, as the repr of a lazy array gives it."""
    found = re.search(r"(\d+) ops?", repr(lazy))
    return found.group(1) if found else "?"


def compare(image: np.ndarray, written: list[Path]) -> bool:
    """Run both namespaces, print plan, differences and times; True if the pictures are equal."""
    import raptors as r

    height, width, _ = image.shape
    print(f"image     {width} x {height}, {image.dtype} ({PHOTO_CREDIT})")
    lazy_pixels, lazy_code = develop(r, r.lazy(image))
    print(f"captured  {op_count(lazy_pixels)} ops: {lazy_pixels!r}")

    plan = lazy_pixels.plan()
    print("plan\n" + "\n".join("  " + line for line in plan.text().splitlines()))
    OUT.mkdir(exist_ok=True)
    for name, text in {"plan.txt": plan.explain() + "\n", "plan.html": plan.html()}.items():
        (OUT / name).write_text(text, encoding="utf-8")
        written.append(OUT / name)

    pixels, code = r.eval(lazy_pixels, lazy_code)
    want_pixels, want_code = develop(np, image)
    equal = bool(np.array_equal(pixels, want_pixels))
    unequal = int(np.count_nonzero(code != want_code))
    worst = float(np.max(np.abs(code - want_code)))
    print(
        f"equal     uint8: {'yes' if equal else 'NO'}; float32: {unequal} values differ (by <= {worst:.3g})"
    )
    save_pictures(image, pixels, written)

    print(f"{'size':>12} {'NumPy ms':>10} {'raptors ms':>11} {'NumPy/raptors':>14}   medians, in turns")
    for repeat in (1, 4):
        big = np.tile(image, (repeat, repeat, 1))
        numpy_s, raptors_s, turns = interleaved(
            lambda big=big: develop(np, big)[0],
            lambda big=big: develop(r, r.lazy(big))[0].eval(),
            budget=5.0 * repeat,
        )
        size, ratio = f"{big.shape[1]} x {big.shape[0]}", numpy_s / raptors_s
        print(f"{size:>12} {numpy_s * 1e3:10.2f} {raptors_s * 1e3:11.2f} {ratio:13.2f}x   {turns} turns")
        same = np.array_equal(develop(r, r.lazy(big))[0].eval(), develop(np, big)[0])
        equal = equal and bool(same)
    return equal


def main() -> int:
    parser = argparse.ArgumentParser(description="Develop a photograph with raptors and with NumPy.")
    parser.add_argument("--numpy", action="store_true", help="develop with NumPy only")
    only_numpy = parser.parse_args().numpy
    image = photograph()
    written: list[Path] = []
    if only_numpy:
        save_pictures(image, develop(np, image)[0], written)
        equal = True
    else:
        equal = compare(image, written)
    print("wrote     " + ", ".join(os.path.relpath(path) for path in written))
    if not equal:
        print("develop_photo: raptors and NumPy differ", file=sys.stderr)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
