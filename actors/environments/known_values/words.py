"""What is said in the known-values world. All that the actor knows of its place is the last line it was told.

So a line and a place mean the same: equal lines, equal distribution over the actor's next actions.
"""

from __future__ import annotations

from actors.environments.known_values.course import Course
from actors.environments.known_values.plan import LETTERS

STOP = "###STOP###"
GOODBYE = "That was all. Goodbye."
GO_ON = "I do not know what to say to that. Please go on."
GREETINGS = ("Hello. I need your help.", "Hi, could you help me?")
ADVICE = "Do this instead: "
# then what `rollouts.episode.Draft` it is, as `described` puts it


def line(course: Course) -> str:
    """What is told of a place: by a tool to the actor, and by the user's own tool to the user, who reads it out."""
    match course.end:
        case "solved":
            return f"Thank you, this is what I needed. {STOP}"
        case "failed":
            return f"No, this is not what I needed. {STOP}"
        case "transferred":
            return "The user was handed over to a human."
        case None:
            return _live_line(course)


def _live_line(course: Course) -> str:
    if course.repairing:
        return f"A repair before stage {course.stage} is under way, {course.tries} more possible. Ask the user."
    if course.shown:
        return f"Something is wrong; {course.tries} repairs are possible. Stage {course.stage} is next."
    return f"Stage {course.stage} is next."


def openings() -> tuple[str, ...]:
    return tuple(f"{greeting} {line(Course())}" for greeting in GREETINGS)


def statement(stage: int, option: int) -> str:
    return f"For stage {stage} I go with option {LETTERS[option]}."


def question(stage: int, tries: int) -> str:
    return f"I have made a repair before stage {stage}, {tries} more are possible. Does it work now?"
