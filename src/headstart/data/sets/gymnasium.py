"""Episodes of classic control whose dynamics change from one to the next: states and actions together show how.

1,500 episodes for each of four environments of Gymnasium (Towers et al. 2024), made here, always the same: a third each by a
hand-written expert, by the expert with three actions in ten drawn at random, and by chance alone.

split           states         label                                       varies too
pendulum        101 x 3        gravity, 4 to 16                            mass, 0.5 to 2
mountain-car    up to 121 x 2  gravity, 1.5 to 3.5 thousandths             force, 0.5 to 1.5 thousandths
cartpole        up to 101 x 4  half the pole's length: 0.4, 0.5, 0.6, 0.7  force, 4 to 16; the pole's mass, 0.05 to 0.5
acrobot         up to 61 x 6   mass of the outer link: 1, 1.5, 2, 2.5      torque, 0.5 to 2; mass of the inner link, 0.5 to 4

What varies too is not told: it keeps the label from being read off the size of the movements.
"pendulum-policy" and so on are the same episodes with the policy as label.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...extras import need
from ...home import cache
from ..source import DataError, Source
from ..sources.listed import ListSource

EPISODES = 1500
POLICIES = ("expert", "noisy expert", "random")
NOISE = 0.3  # of a noisy expert's actions are random
VERSION = 1  # of what is made here: part of the cached file's name

Policy = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class _World:
    name: str
    steps: int
    forces: tuple[float, ...]  # the action behind each choice; () where any force within 2 may be chosen
    expert: Policy  # a state's force
    vary: Callable[[Any, float, np.random.Generator], None]  # changes the environment's dynamics
    low: float
    high: float
    values: tuple[float, ...] = ()  # the only values that the dynamics take, if they are classes


def _pendulum(state: np.ndarray) -> float:
    """Pumps energy until the pendulum is nearly upright, then holds it there."""
    cos, sin, speed = state
    if cos > 0.9:
        return float(np.clip(-20 * sin - 5 * speed, -2, 2))
    energy = speed**2 / 6 + 5 * (cos - 1)
    return float(np.clip(-2 * energy * (1 if speed >= 0 else -1), -2, 2))


def _vary_pendulum(env: Any, gravity: float, rng: np.random.Generator) -> None:
    env.g, env.m = gravity, rng.uniform(0.5, 2)


def _vary_car(env: Any, gravity: float, rng: np.random.Generator) -> None:
    env.gravity, env.force = gravity / 1000, rng.uniform(0.5, 1.5) / 1000


def _vary_cartpole(env: Any, length: float, rng: np.random.Generator) -> None:
    env.length, env.masspole, env.force_mag = length, rng.uniform(0.05, 0.5), rng.uniform(4, 16)
    env.total_mass, env.polemass_length = env.masscart + env.masspole, env.masspole * length


def _vary_acrobot(env: Any, mass: float, rng: np.random.Generator) -> None:
    torque = rng.uniform(0.5, 2)
    env.LINK_MASS_2, env.LINK_MASS_1, env.AVAIL_TORQUE = mass, rng.uniform(0.5, 4), (-torque, 0.0, torque)


WORLDS = {
    "pendulum": _World("Pendulum-v1", 100, (), _pendulum, _vary_pendulum, 4, 16),
    "mountain-car": _World(
        *("MountainCar-v0", 120, (-1.0, 0.0, 1.0), lambda s: 1.0 if s[1] >= 0 else -1.0),
        *(_vary_car, 1.5, 3.5),
    ),
    "cartpole": _World(
        *("CartPole-v1", 100, (-1.0, 1.0), lambda s: 1.0 if 3 * s[2] + s[3] + 0.1 * s[0] + 0.3 * s[1] > 0 else -1.0),
        *(_vary_cartpole, 0.4, 0.7, (0.4, 0.5, 0.6, 0.7)),
    ),
    "acrobot": _World(
        *("Acrobot-v1", 60, (-1.0, 0.0, 1.0), lambda s: 1.0 if s[5] >= 0 else -1.0),
        *(_vary_acrobot, 1, 2.5, (1.0, 1.5, 2.0, 2.5)),
    ),
}


def load(split: str = "pendulum") -> Source:
    """Trajectories {"state": [T + 1, S], "action": [T, 1]}: the last state is the one that the last action led to."""
    world, policy = split.removesuffix("-policy"), split.endswith("-policy")
    if world not in WORLDS:
        known = ", ".join(f"gymnasium:{name}" for name in WORLDS)
        raise DataError(f"gymnasium has no split {split}: write {known}, or one of these with -policy")
    made = _cached(world)
    ends = np.cumsum(made["steps"])[:-1]
    states, actions = np.split(made["state"], ends + np.arange(1, EPISODES)), np.split(made["action"], ends)
    samples = [{"state": s, "action": a} for s, a in zip(states, actions, strict=True)]
    title = f"gymnasium:{split}"
    if policy:
        return ListSource(samples, "trajectory", made["policy"], POLICIES, title=title)
    values = WORLDS[world].values
    if values:
        classes = np.searchsorted(values, made["dynamics"])
        return ListSource(samples, "trajectory", classes, [f"{v:g}" for v in values], title=title)
    return ListSource(samples, "trajectory", made["dynamics"], title=title)


def _cached(name: str) -> dict[str, np.ndarray]:
    place = cache() / f"gymnasium-{name}-{VERSION}.npz"
    try:
        with np.load(place, allow_pickle=False) as file:
            return dict(file)
    except FileNotFoundError:
        pass
    except Exception as error:  # whatever a damaged zip makes numpy say
        raise DataError(f"{place} is damaged ({error}): delete it, and it is made again") from error
    made = _episodes(WORLDS[name], EPISODES)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as part:
            np.savez_compressed(Path(part) / "whole.npz", **made)  # type: ignore[arg-type]
            (Path(part) / "whole.npz").replace(place)
    except OSError:
        pass  # made again next time
    return made


def _episodes(world: _World, count: int) -> dict[str, np.ndarray]:
    """Episode `i` depends on the environment and `i` alone."""
    env = need("gymnasium", "trajectories", "simulating episodes").make(world.name).unwrapped
    states, actions, steps, dynamics = [], [], [], []
    for i in range(count):
        rng = np.random.default_rng([len(world.name), i])
        x = float(rng.choice(world.values)) if world.values else float(rng.uniform(world.low, world.high))
        world.vary(env, x, rng)
        chance = (0.0, NOISE, 1.0)[i % 3]
        state, _ = env.reset(seed=i)
        states.append(state)
        n, over = 0, False
        while n < world.steps and not over:
            force = world.expert(state)
            if rng.random() < chance:
                force = float(rng.choice(world.forces)) if world.forces else float(rng.uniform(-2, 2))
            action = world.forces.index(force) if world.forces else np.array([force], np.float32)
            state, _, over, _, _ = env.step(action)
            states.append(state)
            actions.append([force])
            n += 1
        steps.append(n)
        dynamics.append(x)
    return {
        "state": np.array(states, np.float32),
        "action": np.array(actions, np.float32),
        "steps": np.array(steps, np.int64),
        "dynamics": np.array(dynamics),
        "policy": np.arange(count) % 3,
    }
