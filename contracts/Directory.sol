// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signed} from "./Signed.sol";
import {IAccreditation} from "./interfaces/IAccreditation.sol";
import {IDirectory} from "./interfaces/IDirectory.sol";

/// @title Directory
/// @notice Member institutions, whom they accredited, and encryption keys of all who take part.
/// @dev Only an actor sets his own key, only a member accredits in its own name. Who gets a seat is decided above.
/// Which members have their seats is one word, so that asking for an accreditation reads two slots.
abstract contract Directory is Signed, IDirectory {
    uint8 private constant LAST_SEAT = type(uint8).max;

    bytes32 private constant SET_ENCRYPTION_KEY =
        keccak256("SetEncryptionKey(address actor,bytes32 key,uint32 version,uint32 deadline)");

    // slot 0: key; slot 1: version, setAt
    mapping(address actor => EncryptionKey) private _keys;

    // slot 0: seat, status
    mapping(address member => Member) private _members;

    mapping(uint8 seat => address) private _seats;

    /// @dev One bit for each seat whose member has it now; seat 0 is nobody's.
    uint256 internal _seated;

    uint8 private _seatsGiven;
    uint8 private _seatedCount;

    // slot 0: validUntil, seat, suspension
    mapping(address actor => mapping(Kind kind => Accreditation)) private _accreditations;

    // ------------------------------------------------------------------------------------------------ ACCREDITING

    /// @inheritdoc IDirectory
    function accredit(address actor, Kind kind, uint40 validUntil) external {
        uint8 seat = _requireMember(msg.sender);
        Accreditation memory current = _accreditations[actor][kind];

        if (actor == address(0) || kind == Kind.None) revert DirectoryAccreditationInvalid(actor, kind);
        if (current.seat != seat && block.timestamp < current.validUntil && _isSeated(current.seat)) {
            revert DirectoryAccreditedByAnother(actor, kind, current.seat);
        }
        // A member that takes over begins anew; what was decided by vote stays.
        if (current.seat != seat && current.suspension == Suspension.ByMember) current.suspension = Suspension.None;

        _accreditations[actor][kind] = Accreditation({
            validUntil: validUntil,
            seat: seat,
            suspension: current.suspension
        });

        emit Accredited(actor, kind, msg.sender, validUntil);
    }

    /// @inheritdoc IDirectory
    function suspendAccreditation(address actor, Kind kind) external {
        Accreditation storage current = _accreditations[actor][kind];
        Suspension suspension = _requireSay(actor, kind, current.seat);

        if (current.seat == 0 || current.suspension >= suspension) {
            revert DirectorySuspensionInvalid(actor, kind, current.suspension);
        }

        current.suspension = suspension;

        emit AccreditationSuspended(actor, kind, suspension);
    }

    /// @inheritdoc IDirectory
    function reinstateAccreditation(address actor, Kind kind) external {
        Accreditation storage current = _accreditations[actor][kind];
        Suspension say = _requireSay(actor, kind, current.seat);

        if (current.suspension == Suspension.None) revert DirectorySuspensionInvalid(actor, kind, Suspension.None);
        if (current.suspension > say) revert DirectorySuspendedByVote(actor, kind);

        current.suspension = Suspension.None;

        emit AccreditationReinstated(actor, kind);
    }

    /// @dev How much weight the caller's word has about this actor: the consortium's own, or that of his member.
    function _requireSay(address actor, Kind kind, uint8 accreditedBy) private view returns (Suspension) {
        if (msg.sender == address(this)) return Suspension.ByVote;

        uint8 seat = _requireMember(msg.sender);
        if (seat != accreditedBy && accreditedBy != 0) revert DirectoryAccreditedByAnother(actor, kind, accreditedBy);

        return Suspension.ByMember;
    }

    // ------------------------------------------------------------------------------------------ PUBLISHING A KEY

    /// @inheritdoc IDirectory
    function setEncryptionKey(bytes32 key) external {
        _setEncryptionKey(msg.sender, key);
    }

    /// @inheritdoc IDirectory
    function setEncryptionKeySigned(
        address actor,
        bytes32 key,
        uint32 version,
        uint32 deadline,
        bytes calldata signature
    ) external {
        bytes32 hash = keccak256(abi.encode(SET_ENCRYPTION_KEY, actor, key, version, deadline));
        _requireSignature(actor, hash, deadline, signature);
        uint32 next = _keys[actor].version + 1;
        if (version != next) revert SignedOutdated(version, next);

        _setEncryptionKey(actor, key);
    }

    function _setEncryptionKey(address actor, bytes32 key) private {
        EncryptionKey storage current = _keys[actor];

        if (key == bytes32(0)) revert DirectoryEncryptionKeyIsZero();
        if (key == current.key) revert DirectoryEncryptionKeyUnchanged(actor);

        uint32 version = current.version + 1;
        current.key = key;
        current.version = version;
        current.setAt = uint40(block.timestamp);

        emit EncryptionKeySet(actor, key, version);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IAccreditation
    function isAccredited(address actor, Kind kind) public view returns (bool) {
        Accreditation memory current = _accreditations[actor][kind];

        return
            block.timestamp < current.validUntil &&
            current.suspension == Suspension.None &&
            _isSeated(current.seat);
    }

    /// @inheritdoc IDirectory
    function getEncryptionKey(address actor) external view returns (EncryptionKey memory) {
        EncryptionKey memory current = _keys[actor];

        if (current.version == 0) revert DirectoryEncryptionKeyNotSet(actor);

        return current;
    }

    /// @inheritdoc IDirectory
    function getMember(address member) external view returns (Member memory) {
        return _members[member];
    }

    /// @inheritdoc IDirectory
    function memberAt(uint8 seat) external view returns (address) {
        return _seats[seat];
    }

    /// @inheritdoc IDirectory
    function seats() external view returns (uint8 given, uint8 seated) {
        return (_seatsGiven, _seatedCount);
    }

    /// @inheritdoc IDirectory
    function isMember(address member) external view returns (bool) {
        return _members[member].status == MemberStatus.Seated;
    }

    /// @inheritdoc IDirectory
    function getAccreditation(address actor, Kind kind) external view returns (Accreditation memory) {
        return _accreditations[actor][kind];
    }

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    /// @dev Its seat; nobody who has none now comes past here.
    function _requireMember(address caller) internal view returns (uint8) {
        Member memory member = _members[caller];

        if (member.status != MemberStatus.Seated) revert DirectoryNotAMember(caller);

        return member.seat;
    }

    function _admit(address account) internal {
        Member memory member = _members[account];
        bool isKnown = member.status == MemberStatus.Suspended || member.status == MemberStatus.Seated;

        if (account == address(0) || account == address(this) || isKnown) {
            revert DirectoryMemberInvalid(account, member.status);
        }
        if (member.seat == 0) {
            if (_seatsGiven == LAST_SEAT) revert DirectorySeatsExhausted();
            member.seat = ++_seatsGiven;
            _seats[member.seat] = account;
        }

        _seat(account, member.seat);

        emit MemberAdmitted(account, member.seat);
    }

    function _reinstate(address account) internal {
        Member memory member = _members[account];

        if (member.status != MemberStatus.Suspended) revert DirectoryMemberInvalid(account, member.status);

        _seat(account, member.seat);

        emit MemberReinstated(account);
    }

    function _suspend(address account) internal {
        Member memory member = _members[account];

        if (member.status != MemberStatus.Seated) revert DirectoryMemberInvalid(account, member.status);

        _unseat(account, member.seat, MemberStatus.Suspended);

        emit MemberSuspended(account);
    }

    function _remove(address account) internal {
        Member memory member = _members[account];

        if (member.status != MemberStatus.Seated && member.status != MemberStatus.Suspended) {
            revert DirectoryMemberInvalid(account, member.status);
        }

        if (member.status == MemberStatus.Seated) {
            _unseat(account, member.seat, MemberStatus.Removed);
        } else {
            _members[account].status = MemberStatus.Removed;
        }

        emit MemberRemoved(account);
    }

    function _seatedMembers() internal view returns (uint256) {
        return _seatedCount;
    }

    function _seat(address account, uint8 seat) private {
        _members[account] = Member({seat: seat, status: MemberStatus.Seated});
        _seated |= 1 << seat;
        ++_seatedCount;
    }

    function _unseat(address account, uint8 seat, MemberStatus status) private {
        if (_seatedCount == 1) revert DirectoryLastMember(account);

        _members[account].status = status;
        _seated &= ~(1 << seat);
        --_seatedCount;
    }

    function _isSeated(uint8 seat) private view returns (bool) {
        return (_seated >> seat) & 1 == 1;
    }
}
