"""Who may call what: every function of the contracts that changes something, in every state that makes a difference.

The tests run every row by every role, and ``docs/permissions.md`` is written from these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ROLES: Mapping[str, str] = {
    "patient": "the patient, with his own key in control",
    "controller": "the key that took over for a patient who lost his",
    "lost key": "the key that such a patient lost",
    "delegate": "a delegate of the patient, who may grant and revoke",
    "custodian": "the accredited custodian whose record or delivery it is",
    "other custodian": "another accredited custodian",
    "clinician": "the accredited clinician whose episode it is",
    "reviewer": "an accredited reviewer of emergencies",
    "assessor": "the accredited assessor who attested it",
    "researcher": "the accredited researcher whose request it is",
    "other researcher": "another accredited researcher",
    "committee": "an accredited ethics committee",
    "member": "the member institution that accredited the actor",
    "other member": "another member institution",
    "former member": "an institution that was removed",
    "vote": "a proposal that has passed, executed by anybody",
    "deployer": "who deployed the contracts",
    "stranger": "anybody else",
}
"""Each part that somebody plays, in words."""
EVERYBODY = tuple(ROLES)
NOBODY: tuple[str, ...] = ()
MEMBERS = ("member", "other member")
IN_CONTROL = ("patient", "controller")
MAY_GRANT = ("patient", "controller", "delegate")
CONTRACTS = ("Consortium", "RecordRegistry", "ConsentRegistry", "EmergencyAccess", "AccessRequests", "Attestations")
SIGNED_CONTRACTS = CONTRACTS[:-1]
"""Those that take signed messages, and calls in batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One function in one state."""

    contract: str
    function: str
    """By name: none of ours is overloaded."""
    may: tuple[str, ...]
    refused: str = ""
    """The error of everybody else."""
    when: str = ""
    """In which state, where another makes a difference."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Errors of single roles that differ."""
    signed: bool = False
    """Whether the roles sign, and anybody sends."""

    @property
    def name(self) -> str:
        return f"{self.contract}.{self.function}{f', {self.when}' if self.when else ''}"

    def error(self, role: str) -> str | None:
        """Return what refuses this role; None if nothing does."""
        return None if role in self.may else self.others.get(role, self.refused)


def _rows(contract: str, *rows: Row | tuple[str, tuple[str, ...], str]) -> tuple[Row, ...]:
    return tuple(
        row if isinstance(row, Row) else Row(contract=contract, function=row[0], may=row[1], refused=row[2])
        for row in rows
    )


_NOT_A_MEMBER, _BY_ANOTHER = "DirectoryNotAMember", "DirectoryAccreditedByAnother"
_TOKEN = ("safeTransferFrom", "safeBatchTransferFrom", "setApprovalForAll")

_CONSORTIUM = _rows(
    "Consortium",
    Row(
        contract="Consortium",
        function="accredit",
        when="who is not accredited",
        may=MEMBERS,
        refused=_NOT_A_MEMBER,
    ),
    Row(
        contract="Consortium",
        function="accredit",
        when="whom the member accredited",
        may=("member",),
        refused=_NOT_A_MEMBER,
        others={"other member": _BY_ANOTHER},
    ),
    Row(
        contract="Consortium",
        function="suspendAccreditation",
        may=("member", "vote"),
        refused=_NOT_A_MEMBER,
        others={"other member": _BY_ANOTHER},
    ),
    Row(
        contract="Consortium",
        function="reinstateAccreditation",
        when="whom the member suspended",
        may=("member", "vote"),
        refused=_NOT_A_MEMBER,
        others={"other member": _BY_ANOTHER},
    ),
    Row(
        contract="Consortium",
        function="reinstateAccreditation",
        when="whom a vote suspended",
        may=("vote",),
        refused=_NOT_A_MEMBER,
        others={"member": "DirectorySuspendedByVote", "other member": _BY_ANOTHER},
    ),
    ("setEncryptionKey", EVERYBODY, ""),
    Row(
        contract="Consortium",
        function="setEncryptionKeySigned",
        when="his own key",
        may=EVERYBODY,
        signed=True,
    ),
    ("propose", MEMBERS, _NOT_A_MEMBER),
    ("vote", MEMBERS, _NOT_A_MEMBER),
    Row(contract="Consortium", function="execute", when="what has passed", may=EVERYBODY),
    Row(
        contract="Consortium",
        function="execute",
        when="what has not passed",
        may=NOBODY,
        refused="ConsortiumQuorumMissing",
    ),
    *(
        (name, ("vote",), "ConsortiumNotByVote")
        for name in ("admit", "remove", "suspend", "reinstate", "setVotingRules")
    ),
)
_RECORDS = _rows(
    "RecordRegistry",
    Row(
        contract="RecordRegistry",
        function="register",
        when="of somebody else",
        may=("custodian", "other custodian"),
        refused="RecordRegistryNotAccredited",
    ),
    Row(contract="RecordRegistry", function="register", when="of himself", may=EVERYBODY),
    ("anchorBatch", ("custodian", "other custodian"), "RecordRegistryNotAccredited"),
    Row(contract="RecordRegistry", function="registerFromBatch", when="what he can show", may=EVERYBODY),
    ("supersede", ("custodian",), "RecordRegistryRecordUnknown"),
    ("retract", ("custodian",), "RecordRegistryRecordUnknown"),
    Row(
        contract="RecordRegistry",
        function="registerSigned",
        when="of somebody else",
        may=("custodian", "other custodian"),
        refused="RecordRegistryNotAccredited",
        signed=True,
    ),
    *(
        Row(
            contract="RecordRegistry",
            function=name,
            may=("custodian",),
            refused="RecordRegistryRecordUnknown",
            signed=True,
        )
        for name in ("supersedeSigned", "retractSigned")
    ),
    Row(
        contract="RecordRegistry",
        function="anchorBatchSigned",
        may=("custodian", "other custodian"),
        refused="RecordRegistryNotAccredited",
        signed=True,
    ),
)
_CONSENTS = _rows(
    "ConsentRegistry",
    Row(
        contract="ConsentRegistry",
        function="grant",
        when="for himself",
        may=tuple(role for role in EVERYBODY if role != "lost key"),
        refused="AuthorityNotAllowed",
    ),
    ("grantFor", MAY_GRANT, "AuthorityNotAllowed"),
    ("revoke", (*MAY_GRANT, "lost key"), "AuthorityNotAllowed"),
    ("revokeAll", IN_CONTROL, "AuthorityNotAllowed"),
    ("appoint", IN_CONTROL, "AuthorityNotAllowed"),
    ("dismiss", MAY_GRANT, "AuthorityNotAllowed"),
    ("nameGuardians", IN_CONTROL, "AuthorityNotAllowed"),
    Row(
        contract="ConsentRegistry",
        function="proposeRecovery",
        when="with enough guardians' signatures",
        may=EVERYBODY,
    ),
    ("objectToRecovery", IN_CONTROL, "AuthorityNotAllowed"),
    Row(contract="ConsentRegistry", function="completeRecovery", when="after its delay", may=EVERYBODY),
    *(
        Row(contract="ConsentRegistry", function=name, may=may, refused="AuthorityNotAllowed", signed=True)
        for name, may in (
            ("grantSigned", MAY_GRANT),
            ("revokeSigned", MAY_GRANT),
            ("revokeAllSigned", IN_CONTROL),
            ("appointSigned", IN_CONTROL),
            ("dismissSigned", MAY_GRANT),
            ("nameGuardiansSigned", IN_CONTROL),
            ("objectToRecoverySigned", IN_CONTROL),
        )
    ),
)
_EMERGENCIES = _rows(
    "EmergencyAccess",
    ("breakGlass", ("clinician",), "EmergencyAccessNotAccredited"),
    ("end", (*IN_CONTROL, "clinician"), "EmergencyAccessNotAllowed"),
    Row(
        contract="EmergencyAccess",
        function="endSigned",
        may=IN_CONTROL,
        refused="EmergencyAccessNotAllowed",
        signed=True,
    ),
    Row(contract="EmergencyAccess", function="release", when="of an episode in force", may=EVERYBODY),
    ("review", ("reviewer",), "EmergencyAccessNotAccredited"),
    ("setBar", IN_CONTROL, "EmergencyAccessNotAllowed"),
    Row(
        contract="EmergencyAccess",
        function="setBarSigned",
        may=IN_CONTROL,
        refused="EmergencyAccessNotAllowed",
        signed=True,
    ),
)
_REQUESTS = _rows(
    "AccessRequests",
    ("open", ("researcher", "other researcher"), "AccessRequestsNotAccredited"),
    Row(
        contract="AccessRequests",
        function="approveStudy",
        may=("committee", "vote"),
        refused="AccessRequestsNotAccredited",
        others={"researcher": "AccessRequestsNotAllowed"},
    ),
    ("cancel", ("researcher", "vote"), "AccessRequestsNotAllowed"),
    Row(contract="AccessRequests", function="returnUnearned", when="after the deadline", may=EVERYBODY),
    Row(
        contract="AccessRequests",
        function="accept",
        may=MAY_GRANT,
        refused="AuthorityNotAllowed",
        signed=True,
    ),
    ("deliver", ("custodian",), "AccessRequestsNotAllowed"),
    Row(
        contract="AccessRequests",
        function="decline",
        when="while the custodian is accredited",
        may=("custodian",),
        refused="AccessRequestsNotAllowed",
    ),
    Row(
        contract="AccessRequests",
        function="decline",
        when="when he no longer is",
        may=EVERYBODY,
    ),
    ("confirm", ("researcher",), "AccessRequestsNotAllowed"),
    ("dispute", ("researcher",), "AccessRequestsNotAllowed"),
    ("decide", ("vote",), "EscrowNotByVote"),
    Row(contract="AccessRequests", function="release", when="after the period for a dispute", may=EVERYBODY),
    Row(
        contract="AccessRequests",
        function="release",
        when="within the period for a dispute",
        may=NOBODY,
        refused="AccessRequestsTooEarly",
    ),
    Row(
        contract="AccessRequests",
        function="withdraw",
        when="what a patient earned",
        may=IN_CONTROL,
        refused="EscrowNotAllowed",
    ),
    Row(
        contract="AccessRequests",
        function="withdraw",
        when="what the consortium earned",
        may=("vote",),
        refused="EscrowNotAllowed",
    ),
    Row(
        contract="AccessRequests",
        function="withdrawSigned",
        when="what a patient earned",
        may=IN_CONTROL,
        refused="EscrowNotAllowed",
        signed=True,
    ),
    *((name, ("vote",), "EscrowNotByVote") for name in ("setSplit", "setPeriods", "setTokenAllowed")),
)
_ATTESTATIONS = _rows(
    "Attestations",
    ("attest", ("assessor",), "AttestationsNotAccredited"),
    ("attestBatch", ("assessor",), "AttestationsNotAccredited"),
    ("withdraw", ("assessor",), "AttestationsUnknown"),
    ("anchorReceipts", ("custodian", "other custodian"), "AttestationsNotAccredited"),
)
ROWS: tuple[Row, ...] = (
    *_CONSORTIUM,
    *_RECORDS,
    *_CONSENTS,
    *_EMERGENCIES,
    *_REQUESTS,
    *_ATTESTATIONS,
    *(
        Row(contract=contract, function=name, may=NOBODY, refused="AccessTokenNotTransferable")
        for contract in ("ConsentRegistry", "EmergencyAccess")
        for name in _TOKEN
    ),
    *(Row(contract=contract, function="batch", when="as himself", may=EVERYBODY) for contract in SIGNED_CONTRACTS),
)
"""Every function that changes something; a role that cannot sign, such as a vote, is nobody in a signed row."""
