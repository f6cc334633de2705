"""`whycart recommendations`: the records of lists that were answered, and forgetting a user's.

Looking one up is `whycart explain --id`.
"""

from typing import Annotated

import typer

from serving.audit_config import AuditConfig
from serving.cli.output import say
from serving.records import RecordLog
from serving.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Forget the recorded lists of a user.")


@app.callback()
def _group() -> None:
    """Forget the recorded lists of a user."""


@app.command()
def forget(
    user: Annotated[str, typer.Argument(help="User id.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many lists there are and delete none.")] = False,
) -> None:
    """Delete every recorded list of a user, so that nothing of them stays in the file.

    The user's events are not touched. A running API may still write lists that it answered in the last second.

    Example: whycart recommendations forget u42
    """
    settings = load_settings()
    user = settings.user(user)
    with RecordLog.open(settings.state, settings.section("audit", AuditConfig)) as records:
        if dry_run:
            say(f"{records.count_of(user)} recorded lists of {user} would be deleted")
            return
        say(f"{records.delete_user(user)} recorded lists of {user} were deleted")
