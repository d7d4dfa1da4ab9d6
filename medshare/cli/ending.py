"""How a program ends, the command line and the scripts alike: a line for a person, a code for a script, no traceback.

Exit codes: 0 done, 1 error, 2 usage or input, 3 denied, 4 not found, 5 integrity, 6 unavailable (try again), 130
stopped from the keyboard.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import IntEnum

import click

from medshare import errors
from medshare.cli.console import escaped
from medshare.files import out_of_space_is_typed


class ExitCode(IntEnum):
    """What a script may conclude."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    DENIED = 3
    NOT_FOUND = 4
    INTEGRITY = 5
    UNAVAILABLE = 6
    INTERRUPTED = 130


# The first class that fits counts.
_EXIT_CODES: tuple[tuple[type[errors.MedshareError], ExitCode], ...] = (
    (errors.AccessDeniedError, ExitCode.DENIED),
    (errors.NotAllowedToActError, ExitCode.DENIED),
    (errors.BeyondDelegationError, ExitCode.DENIED),
    (errors.NotAccreditedError, ExitCode.DENIED),
    (errors.BreakGlassBarredError, ExitCode.DENIED),
    (errors.EpisodeNotAllowedError, ExitCode.DENIED),
    (errors.ReceiptMissingError, ExitCode.DENIED),
    (errors.AttestingNotAccreditedError, ExitCode.DENIED),
    (errors.EpisodeOverError, ExitCode.DENIED),
    (errors.ReviewOverdueError, ExitCode.DENIED),
    (errors.TooManyUnreviewedError, ExitCode.DENIED),
    (errors.CustodianNotAccreditedError, ExitCode.DENIED),
    (errors.NotAMemberError, ExitCode.DENIED),
    (errors.AccreditedByAnotherError, ExitCode.DENIED),
    (errors.SuspendedByVoteError, ExitCode.DENIED),
    (errors.NotByVoteError, ExitCode.DENIED),
    (errors.TargetNotGovernedError, ExitCode.DENIED),
    (errors.QuorumMissingError, ExitCode.DENIED),
    (errors.EscrowNotByVoteError, ExitCode.DENIED),
    (errors.WithdrawalNotAllowedError, ExitCode.DENIED),
    (errors.RequestNotAccreditedError, ExitCode.DENIED),
    (errors.RequestNotAllowedError, ExitCode.DENIED),
    (errors.NotInvitedError, ExitCode.DENIED),
    (errors.GrantNotLiveError, ExitCode.DENIED),
    (errors.DeliveryGoneError, ExitCode.DENIED),
    (errors.NotARecipientError, ExitCode.DENIED),
    (errors.LegalHoldError, ExitCode.DENIED),
    (errors.RetentionError, ExitCode.DENIED),
    (errors.EmergencyInForceError, ExitCode.DENIED),
    (errors.WrongPassphraseError, ExitCode.DENIED),
    (errors.InvalidInputError, ExitCode.USAGE),
    (errors.GranteeIsZeroError, ExitCode.USAGE),
    (errors.GranteeIsPatientError, ExitCode.USAGE),
    (errors.PeriodEmptyError, ExitCode.USAGE),
    (errors.PurposesEmptyError, ExitCode.USAGE),
    (errors.DelegateInvalidError, ExitCode.USAGE),
    (errors.DelegationScopeError, ExitCode.USAGE),
    (errors.DelegationPeriodEmptyError, ExitCode.USAGE),
    (errors.DelayOutOfRangeError, ExitCode.USAGE),
    (errors.EpisodePatientInvalidError, ExitCode.USAGE),
    (errors.EpisodeDurationError, ExitCode.USAGE),
    (errors.MemberInvalidError, ExitCode.USAGE),
    (errors.AccreditationInvalidError, ExitCode.USAGE),
    (errors.RulesOutOfRangeError, ExitCode.USAGE),
    (errors.TokenNotAllowedError, ExitCode.USAGE),
    (errors.RecipientInvalidError, ExitCode.USAGE),
    (errors.SplitInvalidError, ExitCode.USAGE),
    (errors.RequestTermsInvalidError, ExitCode.USAGE),
    (errors.RequestCategoryUnknownError, ExitCode.USAGE),
    (errors.PeriodsOutOfRangeError, ExitCode.USAGE),
    (errors.ScoreUnfitError, ExitCode.USAGE),
    (errors.SubjectIsZeroError, ExitCode.USAGE),
    (errors.MethodMissingError, ExitCode.USAGE),
    (errors.ScoreOutOfRangeError, ExitCode.USAGE),
    (errors.RootIsZeroError, ExitCode.USAGE),
    (errors.BatchCountOutOfRangeError, ExitCode.USAGE),
    (errors.HomeNotFoundError, ExitCode.NOT_FOUND),
    (errors.UnknownNetworkError, ExitCode.NOT_FOUND),
    (errors.UnknownIdentityError, ExitCode.NOT_FOUND),
    (errors.DeploymentNotFoundError, ExitCode.NOT_FOUND),
    (errors.BlobNotFoundError, ExitCode.NOT_FOUND),
    (errors.UnknownRecordError, ExitCode.NOT_FOUND),
    (errors.UnknownBatchError, ExitCode.NOT_FOUND),
    (errors.RecordErasedError, ExitCode.NOT_FOUND),
    (errors.UnknownGrantError, ExitCode.NOT_FOUND),
    (errors.UnknownEpisodeError, ExitCode.NOT_FOUND),
    (errors.UnknownProposalError, ExitCode.NOT_FOUND),
    (errors.UnknownRequestError, ExitCode.NOT_FOUND),
    (errors.UnknownAttestationError, ExitCode.NOT_FOUND),
    (errors.NoRecoveryError, ExitCode.NOT_FOUND),
    (errors.EncryptionKeyNotSetError, ExitCode.NOT_FOUND),
    (errors.NotInBatchError, ExitCode.INTEGRITY),
    (errors.DeploymentMismatchError, ExitCode.INTEGRITY),
    (errors.WrongChainError, ExitCode.INTEGRITY),
    (errors.IntegrityError, ExitCode.INTEGRITY),
    (errors.EndpointsDisagreeError, ExitCode.INTEGRITY),
    (errors.SignatureInvalidError, ExitCode.INTEGRITY),
    (errors.SignatureMismatchError, ExitCode.INTEGRITY),
    (errors.WrongDomainError, ExitCode.INTEGRITY),
    (errors.EnvelopeError, ExitCode.INTEGRITY),
    (errors.BlobMismatchError, ExitCode.INTEGRITY),
    (errors.MalformedBlobError, ExitCode.INTEGRITY),
    (errors.BlobTooLargeError, ExitCode.INTEGRITY),
    (errors.StoreRefusedError, ExitCode.ERROR),
    (errors.StoreError, ExitCode.UNAVAILABLE),
    (errors.LedgerUnavailableError, ExitCode.UNAVAILABLE),
    (errors.LedgerBusyError, ExitCode.UNAVAILABLE),
    (errors.RateLimitedError, ExitCode.UNAVAILABLE),
    (errors.SignerUnavailableError, ExitCode.UNAVAILABLE),
    (errors.NodeFailedError, ExitCode.UNAVAILABLE),
)


def exit_code(error: errors.MedshareError) -> ExitCode:
    """Return the exit code for an error."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), ExitCode.ERROR)


def run(
    program: Callable[[], object],
    *,
    as_json: bool = False,
    verbose: bool = False,
    respell: Callable[[str], str] = str,
) -> int:
    """Run a program and return its exit code; whatever stops it is told on standard error.

    Args:
        program: what to run. A number that it returns is its exit code; anything else means done.
        as_json: tell errors as JSON.
        verbose: tell where an error came from, too.
        respell: puts into a hint's commands the options that were given.
    """
    try:
        with out_of_space_is_typed("what the command writes"):
            code = program()
            sys.stdout.flush()
    except errors.MedshareError as error:
        if verbose:
            traceback.print_exc()
        report(error, respell(error.hint), as_json=as_json)
        return exit_code(error)
    except (KeyboardInterrupt, EOFError, click.Abort) as error:
        return _stopped(error)
    except click.ClickException as error:
        if as_json:
            report(error, "medshare --help", as_json=True)
        else:
            error.show()
        return ExitCode.USAGE
    except BrokenPipeError:
        # Whoever read our output has enough of it. What is left in the buffer must not fail once more at exit.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except OSError as error:
        if verbose:
            traceback.print_exc()
        hint = "check the files and folders that you have named, and that this user may write in the home and its disk"
        report(error, hint, as_json=as_json)
        return ExitCode.ERROR
    return code if isinstance(code, int) else ExitCode.DONE


def _stopped(error: BaseException) -> ExitCode:
    # click turns both into its own, and keeps what it was.
    by_keyboard = any(
        isinstance(each, KeyboardInterrupt) for each in (error, error.__cause__, error.__context__) if each is not None
    )
    click.echo("stopped" if by_keyboard else "stopped: no answer was given", err=True)
    return ExitCode.INTERRUPTED if by_keyboard else ExitCode.ERROR


def report(error: Exception, hint: str, *, as_json: bool, about: Mapping[str, int | str] | None = None) -> None:
    """Tell an error on standard error: a line and a hint, or one JSON object in a line.

    Args:
        error: what went wrong.
        hint: what to do about it.
        as_json: tell it as JSON.
        about: which of several things it concerns: a file by its place and not by its name, a record by its id.
    """
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if as_json:
        click.echo(json.dumps({"error": _name(error), "message": message, "hint": hint, **(about or {})}), err=True)
        return
    place = "".join(f"{what} {which}: " for what, which in (about or {}).items())
    click.echo(f"error: {place}{escaped(message)}", err=True)
    if hint:
        click.echo(f"hint: {escaped(hint)}", err=True)


def _name(error: Exception) -> str:
    """Return the documented name: an adapter's own refinement of an error is no word to rely on."""
    public = (kind.__name__ for kind in type(error).__mro__ if getattr(errors, kind.__name__, None) is kind)
    return next(public, type(error).__name__)
