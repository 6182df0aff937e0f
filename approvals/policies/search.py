"""A solver that stops in time. What it is told is about finitely many samples: plain satisfiability is enough."""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import z3


class OutOfTime(Exception):
    """Nothing can be said any more, neither yes nor no."""


class Enough(Exception):
    """More would help nobody."""


class Search:
    """With a context of its own, since z3 is not safe where threads share one. What is asked for are literals, so that
    one solver, which learns, answers all questions."""

    def __init__(self, seconds: float) -> None:
        self.context = z3.Context()
        self._solver = z3.SolverFor("QF_FD", ctx=self.context)
        self._until = time.monotonic() + seconds
        self._literals = 0

    def always(self, *expressions: Any) -> None:
        self._solver.add(*expressions)

    def literal(self, expression: Any) -> Any:
        """Implies the expression, and is not implied by it: to be assumed, never to be denied."""
        self._literals += 1
        name = z3.Bool(f"_{self._literals}", self.context)
        self._solver.add(z3.Implies(name, expression))
        return name

    def any_of(self, expressions: Iterable[Any]) -> Any:
        return self._made(z3.Z3_mk_or, expressions)

    def all_of(self, expressions: Iterable[Any]) -> Any:
        return self._made(z3.Z3_mk_and, expressions)

    def _made(self, make: Any, expressions: Iterable[Any]) -> Any:
        """As z3.Or and z3.And do, without asking of each part again of what sort it is: with long policies that is what
        takes the time."""
        parts = list(expressions)  # held until it is made: a handle does not keep what it points at
        handles = _handles(parts)
        return z3.BoolRef(make(self.context.ref(), len(handles), handles), self.context)

    @property
    def true(self) -> Any:
        return z3.BoolVal(True, self.context)

    @property
    def false(self) -> Any:
        return z3.BoolVal(False, self.context)

    def can_be(self, assumed: Sequence[Any]) -> bool:
        """Raises OutOfTime."""
        left = int((self._until - time.monotonic()) * 1_000)
        if left <= 0:
            raise OutOfTime
        self._solver.set("timeout", left)
        handles = _handles(assumed)
        answer = z3.Z3_solver_check_assumptions(self.context.ref(), self._solver.solver, len(handles), handles)
        if answer == z3.Z3_L_UNDEF:
            raise OutOfTime
        return bool(answer == z3.Z3_L_TRUE)

    def model(self) -> Any:
        return self._solver.model()

    def reasons(self, assumed: Sequence[Any]) -> list[int]:
        """After these could not be: places of some that cannot be together, of which none could be left out."""
        kept = self._core(assumed, range(len(assumed)))
        for place in list(kept):
            without = [one for one in kept if one != place]
            if not self.can_be([assumed[one] for one in without]):
                kept = self._core(assumed, without)
        return kept

    def _core(self, assumed: Sequence[Any], among: Collection[int]) -> list[int]:
        core = {one.get_id() for one in self._solver.unsat_core()}
        return [place for place in among if assumed[place].get_id() in core]

    def wished(self, assumed: Sequence[Any], wishes: Sequence[Any]) -> None:
        """The model afterwards has many of the wishes, the first ones rather. The assumed alone can be."""
        wanted = list(wishes)
        while not self.can_be([*assumed, *wanted]):
            del wanted[self._core(wanted, range(len(wanted)))[-1]]

    @contextmanager
    def for_now(self) -> Iterator[None]:
        """What is told within is forgotten afterwards."""
        self._solver.push()
        try:
            yield
        finally:
            self._solver.pop()


def _handles(expressions: Sequence[Any]) -> Any:
    return (z3.Ast * len(expressions))(*(one.as_ast() for one in expressions))
