"""Serve computations from an event loop, and measure how late the loop is meanwhile.

    python examples/serve.py [requests] [clients]

An endpoint in FastAPI's style, `async def`, takes an image and answers with its normalized and blurred
thumbnail. The same requests are served twice: by `.eval()`, which keeps the loop waiting, and by `await`,
which does not. A heartbeat that should come each 2 ms measures how late the loop is; a client that gives up
shows that its work stops.

With FastAPI, `handle` would be `@app.post("/thumbnail")`; nothing else would change.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

import numpy as np
import raptors as r

HEARTBEAT = 0.002


def thumbnail(image: np.ndarray) -> r.Array:
    """A graph: normalized, blurred by a 5 x 5 box, every fifth pixel."""
    x = r.lazy(image).astype(r.float32)
    x = (x - r.mean(x)) / r.sqrt(r.mean(x * x) + 1.0)
    rows = sum(x[i : x.shape[0] - 4 + i] for i in range(5))
    both = sum(rows[:, i : x.shape[1] - 4 + i] for i in range(5))
    return r.tanh(both / 25.0)[::5, ::5]


async def handle(image: np.ndarray, *, awaits: bool) -> np.ndarray:
    """The endpoint."""
    y = thumbnail(image)
    return await y if awaits else y.eval()


async def heartbeat(late: list[float]) -> None:
    while True:
        due = time.perf_counter() + HEARTBEAT
        await asyncio.sleep(HEARTBEAT)
        late.append(time.perf_counter() - due)


async def serve(
    images: list[np.ndarray], requests: int, *, awaits: bool
) -> tuple[float, list[float], list[float]]:
    """Serves a client per image at once; seconds in all, of each request, and that the loop is late."""
    late: list[float] = []
    took: list[float] = []

    async def client(image: np.ndarray) -> None:
        for _ in range(requests // len(images)):
            begun = time.perf_counter()
            await handle(image, awaits=awaits)
            took.append(time.perf_counter() - begun)
            await asyncio.sleep(0)

    heart = asyncio.ensure_future(heartbeat(late))
    begun = time.perf_counter()
    await asyncio.gather(*map(client, images))
    seconds = time.perf_counter() - begun
    heart.cancel()
    return seconds, took, late


async def give_up() -> float:
    """A request of a minute whose client leaves after 0.2 s; the seconds until its work has stopped."""
    task = asyncio.ensure_future(r.eval_async(r.sum(r.tanh(r.arange(0.0, 6e10)))))
    await asyncio.sleep(0.2)
    begun = time.perf_counter()
    task.cancel()
    await asyncio.wait([task])
    return time.perf_counter() - begun


def milliseconds(times: list[float]) -> str:
    if len(times) < 2:
        return "not once in time"
    percentiles = statistics.quantiles(times, n=100)
    return f"{1e3 * percentiles[49]:7.1f} {1e3 * percentiles[98]:7.1f} {1e3 * max(times):7.1f}"


async def main(requests: int, clients: int) -> None:
    rng = np.random.default_rng(7)
    images = [rng.integers(0, 256, (1500, 2000), dtype=np.uint8) for _ in range(clients)]
    await handle(images[0], awaits=True)
    print(f"{requests} requests of {clients} clients, {r.num_threads()} threads; ms: median, 99 %, most")
    for awaits in (False, True):
        seconds, took, late = await serve(images, requests, awaits=awaits)
        how = "await y" if awaits else "y.eval()"
        rate = f"{requests / seconds:6.1f} requests/s"
        print(f"{how:<9} {rate}, a request {milliseconds(took)}, the loop late {milliseconds(late)}")
    print(f"a client that gave up: its work had stopped after {1e3 * await give_up():.1f} ms")


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(arguments + [64, 8][len(arguments) :])))
