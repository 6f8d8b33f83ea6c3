"""Searches the α of each kind of module by CMA-ES, on the simulations of module_replay and at the same tokens.

This is mergekit-evolve's way: a point is evaluated whole, on a fixed part of the choosing prompts, and the best
mean wins. It starts, as `expo search --modules` does, from the uniform α that the race has found, whose answers are
there already, so the start takes part in the comparison at no price.

    build/release/bench/module_replay modules modules-none modules-flat --seeds 2000
    .bench-venv/bin/python bench/module_rivals.py build/release/bench/module_replay modules --seeds 2000
"""

import argparse
import subprocess
import warnings

import cma
import numpy as np

STEPS = np.array([0.8, 0.8, 0.8, 0.6])  # those of the search that it is compared with
FARTHEST = 1.7
SIGMA = 0.5  # of a step
NEUTRAL = (1.0, 1.0, 1.0, 0.0)


class Simulator:
    """A process of module_replay that answers for one search after the other."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def _tell(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def begin(self, scenario, seed, budget):
        """Has the uniform α chosen; returns the rows of the choosing part and those that are known of the start."""
        alpha, rows, known = self._tell("begin", scenario, seed, budget)
        return float(alpha), int(rows), int(known)

    def mean(self, point, rows):
        """The mean score of a point; None where the tokens do not reach."""
        (answer,) = self._tell("ask", *point, rows)
        return None if answer == "spent" else float(answer)

    def take(self, point):
        """Chooses a point and has it tested; returns what became of it."""
        return [float(word) for word in self._tell("take", *point)]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def point_of(place):
    place = np.clip(np.asarray(place) * STEPS, -FARTHEST, FARTHEST)
    return (*(round(float(2**each), 3) for each in place[:3]), round(float(place[3]), 3))


def evolve(simulator, rows, seed):
    """The point with the best mean on the first `rows` rows, as far as the tokens reach."""
    start = simulator.mean(NEUTRAL, rows)
    if start is None:
        return NEUTRAL
    best, most = NEUTRAL, start
    strategy = cma.CMAEvolutionStrategy(4 * [0.0], SIGMA, {"seed": seed, "verbose": -9})
    while not strategy.stop():
        places = strategy.ask()
        values = []
        for place in places:
            value = simulator.mean(point_of(place), rows)
            if value is None:
                return best
            values.append(-value)
            if value > most:
                best, most = point_of(place), value
        strategy.tell(places, values)
    return best


def replay(simulator, scenario, budget, rows, seeds, first_seed):
    results = []
    for seed in range(first_seed, first_seed + seeds):
        alpha, all_rows, _ = simulator.begin(scenario, seed, budget)
        chosen = evolve(simulator, min(rows or all_rows, all_rows), seed) if alpha > 0 else NEUTRAL
        results.append(simulator.take(chosen))
    regret, advice, gain, spent, first, second, false = np.array(results).T

    def shown(values):
        return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"

    name = f"CMA-ES, {rows} rows" if rows else "CMA-ES, all rows"
    print(
        f"| {scenario} | {100 * budget:g} % | {name} | {shown(regret)} | {shown(advice)} | {gain.mean():+.4f} | "
        f"{spent.mean():.3f} | {100 * first.mean():.1f} % | {100 * second.mean():.1f} % | {100 * false.mean():.1f} % |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="module_replay")
    parser.add_argument("scenarios", nargs="+")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.1, 0.25, 0.5])
    parser.add_argument("--rows", type=int, nargs="+", default=[25, 50, 100, 0], help="of an evaluation; 0: all")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="cma")
    simulator = Simulator(arguments.program)
    for scenario in arguments.scenarios:
        for budget in arguments.budgets:
            for rows in arguments.rows:
                replay(simulator, scenario, budget, rows, arguments.seeds, arguments.first_seed)
    simulator.close()


if __name__ == "__main__":
    main()
