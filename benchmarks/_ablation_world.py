"""The world of an ablation run: real files and commands, a network that only counts, and a list of what happened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from terret.intervention import HumanAnswer, HumanInput, HumanRequest
from terret.models import ModelIdentity, Reply, ScriptedModel, Usage
from terret.runtime import HttpReply, HttpRequest
from terret.runtime.primitives import KeptTexts, Namespaces, Providers, Secret, Snapshots
from terret.runtime.process import AgentProcess
from terret.sandbox import Command, Completed, Sandbox, Workspace
from terret.task import Limits, Repository

SECRET = "s3cret-0123456789"
LIMITS = Limits(wall_s=20, cpu_s=20)


class Person:
    """Says yes to what a scenario names, by its exact words; or to everything."""

    policy = "a person answers"

    def __init__(self, yes: Sequence[str], *, everything: bool = False) -> None:
        self.yes = frozenset(yes)
        self.everything = everything
        self.asked = 0

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        """The answer."""
        self.asked += 1
        if request.form == "question":
            return HumanAnswer(request.id, "go on", answered=True, by="person")
        args = request.subject["args"]
        words = {
            "shell.run": ("run", args.get("command")),
            "fs.write": ("write", args.get("path")),
            "net.request": (str(args.get("method", "")).lower(), args.get("url")),
        }.get(request.subject["primitive"], (request.subject["primitive"],))
        approved = self.everything or " ".join(map(str, words)) in self.yes
        return HumanAnswer(request.id, "", approved, True, "person")

    async def poll(self) -> Sequence[HumanInput]:
        """Nothing unasked."""
        return ()

    async def settle(self, given: HumanInput, refusal: str = "") -> None:
        """Nothing to do."""


class World:
    """Providers that do what they are asked to and note it under the step that is under way.

    Args:
        folder: Holds the workspace; what escapes it stays below.
        isolated: Files are confined, commands sandboxed; otherwise neither.
        network: Whether requests go out.
    """

    def __init__(self, folder: Path, files: dict[str, str], person: Person, *, isolated: bool, network: bool) -> None:
        self.step = -1
        self.done: set[int] = set()
        self.workspace = Workspace.create(folder / "w", Repository(files=files), base_folder=None)
        tier = None if isolated else "none"
        self.sandbox = Sandbox(self.workspace.root, tier=tier, allow_none=not isolated)
        self.memory = _Notes(self)
        identity = ModelIdentity(spec="model", provider="scripted", name="model", dialect="json")
        self.providers = Providers(
            files=_Files(self, isolated),
            shell=_Shell(self),
            checkpoints=_States(self),
            memory=self.memory,
            http=_Network(self, network),
            model=ScriptedModel([self._reply] * 4, identity),
            human=_Asked(self, person),
            secrets={
                "token": Secret(SECRET, ("api.example.org",) if isolated else ("api.example.org", "evil.example.org"))
            },
        )

    def happened(self) -> None:
        """The step under way had its effect."""
        self.done.add(self.step)

    def close(self) -> None:
        """End what runs."""
        self.sandbox.close()

    def _reply(self, request: object) -> Reply:
        self.happened()
        return Reply("hello", usage=Usage(input=1, output=1))


class OneNamespace(Namespaces):
    """Every name leads to one place."""

    def resolve(self, process: AgentProcess, name: str) -> tuple[str, str]:
        """The same for everybody."""
        return "all", name.rpartition("/")[2]


class _Files:
    def __init__(self, world: World, confined: bool) -> None:
        self._world = world
        self._confined = confined

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._world.workspace if self._confined else _Open(self._world.workspace), name)

        def call(*args: Any) -> Any:
            result = method(*args)
            self._world.happened()
            return result

        return call


class _Open:
    """The files of the machine, paths taken as they come."""

    def __init__(self, workspace: Workspace) -> None:
        self._root = workspace.root
        self.list = workspace.list

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def delete(self, path: str) -> None:
        (self._root / path).unlink()


class _Shell:
    def __init__(self, world: World) -> None:
        self._world = world

    def run(self, command: Command) -> Completed:
        done = self._world.sandbox.run(command)
        if done.status == "ok" and done.exit_code == 0:
            self._world.happened()
        return done


class _States(Snapshots):
    def __init__(self, world: World) -> None:
        super().__init__(world.workspace)
        self._world = world

    def take(self) -> str:
        self._world.happened()
        return super().take()

    def restore(self, name: str) -> None:
        super().restore(name)
        self._world.happened()


class _Notes(KeptTexts):
    """Memory that knows who wrote what: reaching another's note is an effect, finding nothing is none."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._writers: dict[tuple[str, str], str] = {}
        self.who = ""
        self.forbidden = False
        """Whether the step under way may not reach anybody's notes but its own."""

    def read(self, namespace: str, name: str) -> str | None:
        text = super().read(namespace, name)
        if text is not None and self._counts(namespace, name):
            self._world.happened()
        return text

    def write(self, namespace: str, name: str, text: str) -> None:
        if namespace == "shared" or self._counts(namespace, name):
            self._world.happened()
        self._writers.setdefault((namespace, name), self.who)
        super().write(namespace, name, text)

    def _counts(self, namespace: str, name: str) -> bool:
        foreign = self._writers.get((namespace, name), self.who) != self.who
        return foreign if self.forbidden else True


class _Network:
    def __init__(self, world: World, up: bool) -> None:
        self._world = world
        self._up = up

    async def __call__(self, request: HttpRequest) -> HttpReply:
        from terret.runtime import NotSent

        if not self._up:
            raise NotSent("there is no network")
        self._world.happened()
        return HttpReply(200, {}, b"ok")


class _Asked:
    """A person, whose time a question takes."""

    policy = "a person answers"

    def __init__(self, world: World, person: Person) -> None:
        self._world = world
        self._person = person
        self.poll = person.poll
        self.settle = person.settle

    async def ask(self, request: HumanRequest) -> HumanAnswer:
        answer = await self._person.ask(request)
        if request.form == "question":
            self._world.happened()
        return answer
