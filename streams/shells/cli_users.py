"""The commands about people: who may sign in, and whether the audit is whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from streams.shells.flags import Json, city_of_name, echo_json

State = Annotated[Path, typer.Option(help="State folder of the cockpit; the file is users.yaml in it.")]
UsersPath = Annotated[Path | None, typer.Option("--users", help="The users file, where it is not in the state folder.")]

users_app = typer.Typer(no_args_is_help=True, help="Who may sign in to the cockpit.", rich_markup_mode=None)
audit_app = typer.Typer(no_args_is_help=True, help="Who looked and who acted.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(users_app, name="users")
    app.add_typer(audit_app, name="audit")


@users_app.command("add", epilog="Example: tocsin users add anna --state var/boston --role operator --scope roxbury --city boston")
def users_add(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    state: State = Path(),
    users: UsersPath = None,
    role: Annotated[str, typer.Option(help="viewer, operator, expert, commander or admin; of a new user: viewer.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help='Code of an area that they see with all below it, or "*"; may be repeated.')
    ] = None,
    pseudonym: Annotated[str, typer.Option(help="How they appear to others and in the audit; without one, under their name.")] = "",
    password: Annotated[
        bool | None, typer.Option("--password/--no-password", help="Ask for a password; of a new user it is asked for unless told not to.")
    ] = None,
    city: Annotated[str, typer.Option(help="Check the scope against the areas of this city.")] = "",
) -> None:
    """Add a user, or change what is given of one. The password is asked for, or is the first line of the standard input."""
    from streams.shells import users_file
    from streams.shells.access import users_file as place

    path = place(state, users)
    areas = {area.code for area in city_of_name(city).areas} if city else None
    known = path.exists() and name in _users(path)
    secret = _password() if (password if password is not None else not known) else ""
    new = users_file.put(path, name, role=role, scope=scope, pseudonym=pseudonym, password=secret, areas=areas)
    typer.echo(f"{path}: {'added' if new else 'changed'} {name}")
    if areas is None and any(code != "*" for code in scope or ()):
        typer.echo("the scope was not checked: a cockpit refuses the whole file if its city has no such area; --city checks it", err=True)


@users_app.command("list", epilog="Example: tocsin users list --state var/boston")
def users_list(state: State = Path(), users: UsersPath = None, json: Json = False) -> None:
    """Print the users with their roles, scopes and tokens; never a hash."""
    from streams.shells.access import users_file as place

    found = _users(place(state, users))
    if json:
        echo_json(
            [
                {
                    "name": user.name,
                    "pseudonym": user.actor,
                    "role": user.role,
                    "scope": list(user.scope),
                    "password": bool(user.password),
                    "tokens": [{"name": label, "expires": token.expires} for label, token in user.tokens.items()],
                }
                for user in found.values()
            ]
        )
        return
    for user in found.values():
        tokens = "".join(f"; token {label} until {token.expires}" for label, token in user.tokens.items())
        typer.echo(f"{user.name}  {user.actor}  {user.role}  {' '.join(user.scope) or '(sees nothing)'}{tokens}")


@users_app.command("remove", epilog="Example: tocsin users remove anna --state var/boston")
def users_remove(
    name: Annotated[str, typer.Argument(help="Name to sign in with.")], state: State = Path(), users: UsersPath = None
) -> None:
    """Remove a user. Their sessions and tokens end within a second; what they did stays in the audit under their pseudonym."""
    from streams.shells import users_file
    from streams.shells.access import users_file as place

    path = place(state, users)
    users_file.remove(path, name)
    typer.echo(f"{path}: removed {name}")


@users_app.command("token", epilog="Example: tocsin users token importer --state var/boston --label nightly --days 90")
def users_token(
    name: Annotated[str, typer.Argument(help="The user whose role and scope the token has.")],
    state: State = Path(),
    users: UsersPath = None,
    label: Annotated[str, typer.Option(help="Name of the token; one of the same name is replaced.")] = "default",
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it opens.")] = 365,
    speaks_for_others: Annotated[
        bool, typer.Option("--speaks-for-others", help="It names the actor of a command itself; needs the scope *.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the token of this name.")] = False,
) -> None:
    """Make a token for a program, and print it, this once: only its hash is kept."""
    from datetime import UTC, datetime

    from streams.shells import users_file
    from streams.shells.access import users_file as place

    path = place(state, users)
    if remove:
        users_file.remove_token(path, name, label)
        typer.echo(f"{path}: removed the token {label} of {name}")
        return
    token = users_file.add_token(path, name, label, days=days, speaks_for_others=speaks_for_others, now=datetime.now(UTC))
    typer.echo(token)


@audit_app.command("verify", epilog="Example: tocsin audit verify --state var/boston")
def audit_verify(
    state: Annotated[Path, typer.Option(help="State folder of the cockpit.")] = Path(),
    instance: Annotated[str, typer.Option(help="Only the chain of this cockpit.")] = "",
    noted: Annotated[str, typer.Option(metavar="N:HASH", help="With --instance: a head that was noted, which must be in the chain.")] = "",
    json: Json = False,
) -> None:
    """Check the audit's chains: lines removed, changed, moved or cut off. Status 1: something was done to them."""
    from sinks.cockpit.audit_check import check, instances
    from streams.shells.access import AccessError, audit_folder

    folder = audit_folder(state)
    names = [instance] if instance else instances(folder)
    if not names:
        raise AccessError(f"{folder}: there is no audit; give the state folder of a cockpit to --state")
    head = _noted(noted, instance)
    checked = {name: check(folder, name, head) for name in names}
    problems = [f"{folder}/{problem}" for each in checked.values() for problem in each.problems]
    if json:
        chains = {name: {"lines": each.lines, "head": f"{each.head[0]}:{each.head[1]}"} for name, each in checked.items()}
        echo_json({"ok": not problems, "problems": problems, "chains": chains})
    else:
        for problem in problems:
            typer.echo(problem, err=True)
        for name, each in checked.items():
            typer.echo(f"{name}: {each.lines} lines{'' if each.problems else ' whole'}; head {each.head[0]}:{each.head[1]}")
    raise typer.Exit(1 if problems else 0)


def _noted(text: str, instance: str) -> tuple[int, str] | None:
    from streams.shells.access import AccessError

    if not text:
        return None
    number, _, digest = text.partition(":")
    if not (instance and number.isdigit() and len(digest) == 64):
        raise AccessError(f"--noted {text}: write the head as it was told, N:HASH, and --instance with it")
    return int(number), digest


def _users(path: Path) -> Any:
    from sinks.cockpit.users import UsersError, read_users
    from streams.shells.access import AccessError

    if not path.exists():
        raise AccessError(f"{path}: there are no users yet; tocsin users add makes the first one")
    try:
        return read_users(path).users
    except UsersError as error:
        raise AccessError("\n".join(error.problems)) from None


def _password() -> str:
    """From whoever types it, twice and unseen, or from a pipe."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
