"""What the Python programs among the peers share: the measures of bench/peers.lua.

A peer gives: token(), which returns a usable token; get(), which gives a decoded page of the API.
"""

import json
import os
import sys
import threading
import time

TOKEN_URL = os.environ["BENCH_TOKEN_URL"]
API_URL = os.environ["BENCH_API_URL"]


def say(measure, value):
    print(json.dumps({"measure": measure, "value": value}), flush=True)


def resident():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024


def check(page):
    if len(page["Tracks"]["Items"]) != 15:
        raise ValueError("not the page that was served")


def cached(peer):
    count, times = 3000, []
    peer.token()
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(count):
            peer.token()
        times.append((time.perf_counter() - began) / count * 1e9)
    say("cached", sorted(times)[3])


def calls(peer, count):
    times = []
    for _ in range(6):
        began = time.perf_counter()
        for _ in range(count):
            check(peer.get())
        times.append((time.perf_counter() - began) / count * 1e6)
    say("calls", sorted(times[1:])[2])
    say("memory", resident())


def together(peer):
    barrier, served = threading.Barrier(64), []

    def ask():
        barrier.wait()
        served.append(peer.token())

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say("served", len(served))


def renewal(peer, idle, busy):
    waits, longest = 0, 0
    peer.token()
    say("ready", 1)
    time.sleep(idle)
    say("idle", 1)
    time.sleep(0.2)  # the driver looks at the server
    end = time.perf_counter() + busy
    while time.perf_counter() < end:
        began = time.perf_counter()
        peer.token()
        took = time.perf_counter() - began
        waits += took > 0.05
        longest = max(longest, took)
        time.sleep(0.005)
    say("waits", waits)
    say("longest", longest * 1000)


def run(peer):
    measure, args = sys.argv[1], [float(a) for a in sys.argv[2:]]
    if measure == "first":
        peer.token()
    elif measure == "cached":
        cached(peer)
    elif measure == "calls":
        calls(peer, int(args[0]))
    elif measure == "together":
        together(peer)
    elif measure == "renewal":
        renewal(peer, *args)
