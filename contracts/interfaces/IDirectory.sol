// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccreditation} from "./IAccreditation.sol";
import {ISigned} from "./ISigned.sol";

/// @title Who is who
/// @notice Which institutions are members, whom they accredited for what, and the key that others encrypt to.
/// @dev A member accredits alone, in its own name and only while it has its seat; what it accredited counts only as long.
/// Encryption keys are separate from signing keys. Clients refuse low-order points before they publish or use a key;
/// the contract refuses only zero, since the rest cannot harm the chain.
interface IDirectory is IAccreditation, ISigned {
    enum MemberStatus {
        Unknown,
        Seated,
        Suspended,
        Removed
    }

    enum Suspension {
        None,
        ByMember,
        ByVote
    }

    /// @notice A member institution.
    /// @param seat its number, 1 to 255, its own for ever
    /// @param status whether it has its seat now
    struct Member {
        uint8 seat;
        MemberStatus status;
    }

    /// @notice What one member said of an actor.
    /// @param validUntil first second in which it no longer holds, Unix time; 0 where withdrawn
    /// @param seat the member's
    /// @param suspension who suspended the actor, if somebody did
    struct Accreditation {
        uint40 validUntil;
        uint8 seat;
        Suspension suspension;
    }

    /// @notice An actor's current encryption key.
    /// @param key X25519 public key, 32 bytes as in RFC 7748
    /// @param version 1 for the first key, one more at each rotation
    /// @param setAt block time of the last change, Unix seconds
    struct EncryptionKey {
        bytes32 key;
        uint32 version;
        uint40 setAt;
    }

    /// @notice An institution became a member, or one again.
    /// @custom:privacy Makes public that this address is an institution of the consortium.
    event MemberAdmitted(address indexed member, uint8 seat);

    /// @notice A member lost its seat for good, until it is admitted again.
    /// @custom:privacy Makes public that the institution left, and when.
    event MemberRemoved(address indexed member);

    /// @notice A member lost its seat for a time.
    /// @custom:privacy Makes public that the institution was suspended, and when.
    event MemberSuspended(address indexed member);

    /// @notice A suspended member has its seat again.
    /// @custom:privacy Makes public that the suspension ended, and when.
    event MemberReinstated(address indexed member);

    /// @notice A member accredited an actor until `validUntil`, or withdrew it (0).
    /// @custom:privacy Makes public that this pseudonym works in this capacity, on which institution's word.
    event Accredited(address indexed actor, Kind indexed kind, address indexed member, uint40 validUntil);

    /// @notice An actor was suspended, by the member that accredited him or by vote.
    /// @custom:privacy Makes public that this pseudonym was suspended, and when; never why.
    event AccreditationSuspended(address indexed actor, Kind indexed kind, Suspension by);

    /// @notice A suspension was lifted.
    /// @custom:privacy Makes public that the suspension ended, and when.
    event AccreditationReinstated(address indexed actor, Kind indexed kind);

    /// @notice An actor published or rotated his encryption key.
    /// @custom:privacy Makes public that this address takes part, its public key, and when the key changed.
    event EncryptionKeySet(address indexed actor, bytes32 key, uint32 version);

    /// @notice Only a member that has its seat may do this.
    /// @custom:privacy Nothing: says what the caller asked.
    error DirectoryNotAMember(address caller);

    /// @notice A member is no zero address, and not what it is to become already.
    /// @custom:privacy Nothing: members are public.
    error DirectoryMemberInvalid(address member, MemberStatus status);

    /// @notice The last member keeps its seat: nobody would be left to vote.
    /// @custom:privacy Nothing: members are public.
    error DirectoryLastMember(address member);

    /// @notice All 255 seats were given away: readmit a former member, or found another consortium.
    /// @custom:privacy Nothing: members are public.
    error DirectorySeatsExhausted();

    /// @notice Nobody can be accredited as nothing, and the zero address as nothing at all.
    /// @custom:privacy Nothing: says what the caller asked.
    error DirectoryAccreditationInvalid(address actor, Kind kind);

    /// @notice Another member's word stands: only that member, or a vote, can change it while it does.
    /// @custom:privacy Nothing: accreditations are public.
    error DirectoryAccreditedByAnother(address actor, Kind kind, uint8 seat);

    /// @notice The actor is suspended by vote: only a vote can lift it.
    /// @custom:privacy Nothing: accreditations are public.
    error DirectorySuspendedByVote(address actor, Kind kind);

    /// @notice The actor's accreditation is not suspended, or not there to be suspended.
    /// @custom:privacy Nothing: accreditations are public.
    error DirectorySuspensionInvalid(address actor, Kind kind, Suspension suspension);

    /// @notice This actor has published no key.
    /// @custom:privacy Nothing: a failed call says only what the caller asked.
    error DirectoryEncryptionKeyNotSet(address actor);

    /// @notice A key of zeros was refused.
    /// @custom:privacy Nothing.
    error DirectoryEncryptionKeyIsZero();

    /// @notice The key is the current one already.
    /// @custom:privacy Nothing: the key is public.
    error DirectoryEncryptionKeyUnchanged(address actor);

    /// @notice Accredit an actor as `kind` until `validUntil`, in your institution's name; 0 withdraws it.
    /// @dev Warning: while it holds, you answer for him. An accreditation by another member can be taken over once it
    /// has ended or that member has lost its seat. It lifts no suspension.
    /// @param validUntil first second in which it no longer holds, Unix time
    /// @custom:privacy Makes public that this pseudonym works in this capacity, on which institution's word.
    function accredit(address actor, Kind kind, uint40 validUntil) external;

    /// @notice Suspend an actor, as the member that accredited him, or by vote; from this block on.
    /// @custom:privacy Makes public that this pseudonym was suspended, and when; never why.
    function suspendAccreditation(address actor, Kind kind) external;

    /// @notice Lift a suspension: your own as the member that accredited him; any by vote.
    /// @custom:privacy Makes public that the suspension ended, and when.
    function reinstateAccreditation(address actor, Kind kind) external;

    /// @notice Publish your encryption key, or put a new one in its place.
    /// @dev Warning: who holds only the old key's secret opens nothing that is wrapped from now on, and keeps what
    /// he could open before. Old keys stay readable in the events, so that old headers stay attributable.
    /// @param key X25519 public key, not zero
    /// @custom:privacy Makes public that the caller takes part, his public key, and the time.
    function setEncryptionKey(bytes32 key) external;

    /// @notice As setEncryptionKey, by the actor's signature.
    /// @dev The signed struct is `SetEncryptionKey(address actor,bytes32 key,uint32 version,uint32 deadline)`: `version`
    /// is the one this key will have.
    /// @param actor whose key it is, and who signed
    /// @custom:privacy As setEncryptionKey.
    function setEncryptionKeySigned(
        address actor,
        bytes32 key,
        uint32 version,
        uint32 deadline,
        bytes calldata signature
    ) external;

    /// @notice The current encryption key of an actor. Reverts where there is none.
    /// @custom:privacy Nothing new: reads what is public.
    function getEncryptionKey(address actor) external view returns (EncryptionKey memory);

    /// @notice An institution's seat and standing; zeros where it was never a member.
    /// @custom:privacy Nothing new: reads what is public.
    function getMember(address member) external view returns (Member memory);

    /// @notice Who has, or had, this seat; the zero address where nobody did.
    /// @custom:privacy Nothing new: reads what is public.
    function memberAt(uint8 seat) external view returns (address);

    /// @notice How many seats were ever given away, and how many members have theirs now.
    /// @custom:privacy Nothing new: reads what is public.
    function seats() external view returns (uint8 given, uint8 seated);

    /// @notice Whether this institution is a member that has its seat now.
    /// @custom:privacy Nothing new: reads what is public.
    function isMember(address member) external view returns (bool);

    /// @notice An accreditation as it stands, in force or not; zeros where nobody ever gave one.
    /// @custom:privacy Nothing new: reads what is public.
    function getAccreditation(address actor, Kind kind) external view returns (Accreditation memory);
}
