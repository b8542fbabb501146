"""The plan of a research: tasks, what each waits for, and in which iteration it is. Pure."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from runlog.groups.dependencies import in_order

__all__ = ["Task", "TaskParams", "given_plan", "standard_plan", "task_prompt"]

_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

# Where a topic is looked at from, the most telling first; beyond them it is "angle 9".
_ANGLES = (
    ("Overview", "What is it, how does it work, and which terms does one need?"),
    ("State of the art", "What is done today, by whom, and how well does it work?"),
    ("Evidence", "Which facts and figures are there, and how far can they be trusted?"),
    ("Criticism", "What speaks against it, what went wrong, who disagrees and why?"),
    ("Practice", "What does it take to put it to use: cost, effort, traps?"),
    ("History", "How did it come about, and what was tried before?"),
    ("Alternatives", "What else serves the same end, and when is it the better choice?"),
    ("Outlook", "Where is it going, and what would change the picture?"),
)


class TaskParams(BaseModel):
    """A task of a plan that is given."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=_ID)
    name: str | None = Field(
        default=None, max_length=200, description="For people; by default the id"
    )
    prompt: str = Field(min_length=1)
    depends_on: list[str] = Field(default=[], description="Ids of tasks whose findings it needs")


@dataclass(frozen=True, slots=True)
class Task:
    """`iteration` starts at 1 and is one more than that of the latest task it depends on."""

    id: str
    name: str
    prompt: str
    depends_on: tuple[str, ...]
    iteration: int


def given_plan(tasks: list[TaskParams]) -> list[Task]:
    """The tasks as given, in an order that can be worked off.

    :raises ValueError: see `in_order`.
    """
    named = {task.id: task for task in tasks}
    plan: dict[str, Task] = {}
    for key in in_order((task.id, task.depends_on) for task in tasks):
        task = named[key]
        after = tuple(dict.fromkeys(task.depends_on))
        iteration = 1 + max((plan[one].iteration for one in after), default=0)
        plan[key] = Task(key, task.name or key, task.prompt, after, iteration)
    return list(plan.values())


def standard_plan(topic: str, breadth: int, depth: int) -> list[Task]:
    """`depth` iterations of `breadth` tasks; each looks deeper with all that the iteration before has found."""
    plan: list[Task] = []
    before: tuple[str, ...] = ()
    for iteration in range(1, depth + 1):
        these = []
        for number in range(1, breadth + 1):
            name, question = (
                _ANGLES[number - 1] if number <= len(_ANGLES) else (f"Angle {number}", "What else?")
            )
            if iteration == 1:
                ask = f"Research this topic from one angle only.\n\nTopic: {topic}\n\n{name}: {question}"
            else:
                name = f"{name}, deeper"
                ask = (
                    f"Go deeper into this topic. Topic: {topic}\n\n{name}: {question}\n\n"
                    "From the findings below take what is open, thin or contradictory on this angle, and settle it."
                )
            these.append(Task(f"t{iteration}-{number}", name, ask, before, iteration))
        plan += these
        before = tuple(task.id for task in these)
    return plan


def task_prompt(task: Task, findings: dict[str, str], names: dict[str, str]) -> str:
    """What Claude is asked: the task, after the findings it depends on; a failed one is told as missing."""
    if not task.depends_on:
        return task.prompt
    found = [
        f"## {names[one]}\n\n{findings.get(one) or '(this task failed; there is no finding)'}"
        for one in task.depends_on
    ]
    return "\n\n".join(["# Findings so far", *found, "# Your task", task.prompt])
